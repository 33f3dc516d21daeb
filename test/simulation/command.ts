/** What the command prints. */
import { lineOf } from './history.ts'
import { drawPlan, type Plan } from './plan.ts'
import { runPlan, type RunResult } from './run.ts'

const print = (line: string): void => void process.stdout.write(`${line}\n`)

function showViolations({ violations }: RunResult, limit = 20): void {
  for (const { rule, what } of violations.slice(0, limit)) print(`  [${rule}] ${what}`)
  if (violations.length > limit) print(`  ... and ${violations.length - limit} more`)
}

/** Leaves out clients' steps and faults as long as the same rule is broken without them. */
async function shrink(plan: Plan, rule: string): Promise<Plan> {
  let smallest = plan
  const isBroken = async (candidate: Plan): Promise<boolean> =>
    (await runPlan(candidate)).violations.some((violation) => violation.rule === rule)
  for (let size = Math.ceil(smallest.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < smallest.steps.length;) {
      const candidate = { ...smallest, steps: smallest.steps.toSpliced(start, size) }
      if (await isBroken(candidate)) smallest = candidate
      else start += size
    }
  }
  return smallest
}

/** Runs one seed again and prints its history, cut down to what it takes to break the rule that it breaks. */
export async function showSeed(seed: number, { whole }: { whole: boolean }): Promise<number> {
  const plan = drawPlan(seed)
  const first = await runPlan(plan)
  const [violation] = first.violations
  if (!violation) {
    print(`seed ${seed}: no rule is broken, hash ${first.hash}`)
    if (whole) for (const entry of first.history.entries) print(lineOf(entry))
    return 0
  }
  const smaller = whole ? plan : await shrink(plan, violation.rule)
  const result = await runPlan(smaller)
  print(`seed ${seed}: ${smaller.steps.length} of ${plan.steps.length} steps are left, hash ${result.hash}`)
  print(JSON.stringify({ ...smaller, steps: undefined }))
  for (const entry of result.history.entries) print(lineOf(entry))
  showViolations(result)
  return 1
}

/** Runs seeds one after the other, until `limit` of them failed, and prints those that break a rule. */
export async function runSeeds(from: number, to: number, { showsHashes = false, limit = 5 } = {}): Promise<number> {
  const began = process.hrtime.bigint()
  let failed = 0
  let steps = 0
  let seed = from
  for (; seed <= to && failed < limit; seed++) {
    const result = await runPlan(drawPlan(seed))
    steps += result.steps
    if (showsHashes) print(`seed ${seed}: ${result.hash}`)
    if (result.violations.length === 0) continue
    failed++
    print(`seed ${seed}: ${result.violations.length} violations (npm run simulate -- --seed ${seed})`)
    showViolations(result, 5)
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9
  const count = seed - from
  const rate = (count / seconds).toFixed(1)
  print(`${count} seeds, ${failed} failed; ${steps} steps in ${seconds.toFixed(1)} s (${rate} seeds a second)`)
  return failed === 0 ? 0 : 1
}
