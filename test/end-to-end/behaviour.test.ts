import { startApp } from '../support/app.ts'
import { describeBehaviour } from '../support/behaviour.ts'

describeBehaviour(startApp)
