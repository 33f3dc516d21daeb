import { OperatorError } from '../../errors.ts'

/** The database can't be used as it is. The message is for the person who starts the server: what is wrong and what to do. */
export class DatabaseStartError extends OperatorError {
  /** Whether it may resolve itself. */
  readonly isTemporary: boolean

  constructor(message: string, { isTemporary = false, ...options }: ErrorOptions & { isTemporary?: boolean } = {}) {
    super(message, options)
    this.name = 'DatabaseStartError'
    this.isTemporary = isTemporary
  }
}
