import { parseArgs } from "node:util"
import { drawSchedule, type Schedule } from "./Schedule.js"
import { shrink } from "./Shrink.js"
import { openDatabases, simulate } from "./Simulation.js"

const usage = `npm run simulate -- [--schedules 5000] [--seed 1] [--only SEED] [--brief]
Both services in one process, on a simulated clock and a broker in memory, under one schedule of crashes, outages, delays, doubles and
changes of order after the other. The same seed gives the same run. A schedule that fails is shrunk and printed, and ends it.
  --schedules   how many
  --seed        the first; each schedule has the next one
  --only        this one schedule
  --brief       says what a schedule violates, and does not shrink it`

const fail = (sentence: string): never => {
  console.error(sentence)
  process.exit(2)
}

const options = {
  schedules: { type: "string", default: "5000" },
  seed: { type: "string", default: "1" },
  only: { type: "string" },
  brief: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const

const read = () => {
  try {
    return parseArgs({ options }).values
  } catch (fault) {
    return fail(`${fault instanceof Error ? fault.message : String(fault)}\n${usage}`)
  }
}

const values = read()
if (values.help) {
  console.log(usage)
  process.exit(0)
}

const integer = (name: "schedules" | "seed" | "only"): number => {
  const value = Number(values[name])
  return Number.isSafeInteger(value) && value >= 0 ? value : fail(`--${name} must be a whole number.`)
}

const first = values.only === undefined ? integer("seed") : integer("only")
const schedules = values.only === undefined ? integer("schedules") : 1
const start = performance.now()
const seconds = () => Math.round((performance.now() - start) / 1_000)
const databases = await openDatabases()

const total = { orders: 0, operations: 0, crashes: 0, simulated: 0 }
const faults: Record<string, number> = {}

const take = ({ faults: some, operations }: Schedule) => {
  total.operations += operations.length
  for (const fault of some) {
    const kind = fault.kind === "mishap" ? fault.mishap.kind : fault.kind
    faults[kind] = (faults[kind] ?? 0) + 1
  }
}

for (let seed = first; seed < first + schedules; seed++) {
  const schedule = drawSchedule(seed)
  const outcome = await simulate(databases, schedule)
  take(schedule)
  total.orders += outcome.orders
  total.crashes += outcome.crashes
  total.simulated += outcome.elapsed
  if (outcome.violations.length > 0) {
    console.log(`Seed ${seed} violates:\n${outcome.violations.join("\n")}\n`)
    if (values.brief) process.exit(1)
    console.log("shrinking …")
    const small = await shrink(schedule, async (less) => (await simulate(databases, less)).violations.length > 0)
    const { violations, trace } = await simulate(databases, small)
    console.log(
      `${JSON.stringify(small, null, 1)}\n\n${violations.join("\n")}\n\ntrace ${trace}; again: npm run simulate -- --only ${seed}`,
    )
    process.exit(1)
  }
  if (seed % 500 === 0) console.error(`${seconds()} s: ${seed - first + 1} schedules`)
}
console.log(
  [
    "| fault | how often |",
    "|---|---|",
    ...Object.entries(faults)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([kind, times]) => `| ${kind} | ${times} |`),
    "",
    `${schedules} schedules from seed ${first}: ${total.operations} commands, ${total.orders} orders, ${total.crashes} crashes, ` +
      `${Math.round(total.simulated / 60_000)} simulated minutes in ${seconds()} s: **0 violations**`,
  ].join("\n"),
)
process.exit(0)
