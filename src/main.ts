/** The command `start` as a program of its own, for containers, service managers and benchmarks. */
import '../check-node.cjs'
import { runCommand } from './cli/command.ts'
import { start } from './cli/start.ts'

await runCommand(start, process.argv.slice(2))
