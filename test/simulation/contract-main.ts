/** Runs the contract's script against the model and prints the answers: in a process of its own, whose clock the world is. */
import { World, enterWorld, owner } from './world.ts'

const world = new World(1)
enterWorld(world)
const { ModelDatabase } = await import('./model/database.ts')
const { createModelStore } = await import('./model/store.ts')
const { Contract } = await import('./contract-script.ts')

const node = owner('node')
const store = createModelStore(new ModelDatabase(), node)
let isDone = false
const contract = new Contract({ store, untilBlocked: () => world.sleep(50, node) })
const work = contract.run({ concurrently: process.argv[2] === 'concurrently' }).finally(() => (isDone = true))
work.catch(() => undefined)
while (!isDone) await world.run(world.now + 5)
process.stdout.write(JSON.stringify(await work))
