import { parseArgs } from "node:util"
import { type CampaignReport, runCampaign } from "./Campaign.js"

const usage = `npm run faults -- [--broker postgres|kafka|both] [--rounds 10] [--faults 20] [--orders 10000] [--seed N] [--quiet]
The whole system, two instances of each service, under a workload, and faults at every part of it: kill -9 and SIGSTOP of services,
databases and Kafka, TCP cuts, half-open and slow connections, a full disk, a read-only database, held transactions and locks, clock
jumps, rolling restarts, doubled and reordered messages, poison. After each round everything is healed and checked.
  --rounds   how many
  --faults   in each round, besides three poisonous messages
  --orders   in each round, at least
  --seed     what a failed campaign said; the present second when absent`

const fail = (sentence: string): never => {
  console.error(sentence)
  process.exit(2)
}

const options = {
  broker: { type: "string", default: "both" },
  rounds: { type: "string", default: "10" },
  faults: { type: "string", default: "20" },
  orders: { type: "string", default: "10000" },
  seed: { type: "string", default: String(Math.floor(Date.now() / 1_000)) },
  quiet: { type: "boolean", default: false },
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

const integer = (name: "rounds" | "faults" | "orders" | "seed"): number => {
  const value = Number(values[name])
  return Number.isSafeInteger(value) && value >= 1 ? value : fail(`--${name} must be a whole number from 1 on.`)
}

const brokers = (["postgres", "kafka"] as const).filter(
  (broker) => values.broker === "both" || values.broker === broker,
)
if (brokers.length === 0) fail("--broker must be postgres, kafka or both.")

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((total, n) => total + n, 0)

const table = (broker: string, report: CampaignReport, seconds: number): string =>
  [
    `### Over ${broker === "kafka" ? "Kafka" : "the PostgreSQL broker"}, seed ${values.seed}`,
    "",
    "| fault | injected |",
    "|---|---|",
    ...Object.entries(report.faults)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([kind, n]) => `| ${kind} | ${n} |`),
    `| message published a second time, late and out of order | ${report.copies} |`,
    "",
    `${sum(report.faults)} faults, ${report.orders} orders accepted and checked, ${sum(report.answers)} commands answered after ${report.retries} attempts that ` +
      `were made again, ${report.listened["frame"] ?? 0} frames told over ${report.listened["resume"] ?? 0} streams, in ${Math.round(seconds)} s: ` +
      `**${report.violations.length} violations**`,
    ...report.violations.map((violation) => `- ${violation}`),
    "",
  ].join("\n")

let stop = async (): Promise<void> => undefined
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void stop().finally(() => process.exit(130)))
}

let violations = 0
for (const broker of brokers) {
  const start = performance.now()
  const report = await runCampaign({
    broker,
    seed: integer("seed"),
    rounds: integer("rounds"),
    faults: integer("faults"),
    orders: integer("orders"),
    onStart: (end) => {
      stop = end
    },
    say: values.quiet
      ? () => undefined
      : (line) => console.error(`${Math.round((performance.now() - start) / 1_000)} s ${line}`),
  }).catch((fault: unknown) =>
    fail(fault instanceof Error ? `${fault.message}${String(fault.cause ?? "")}` : String(fault)),
  )
  violations += report.violations.length
  for (const line of report.log.slice(-200)) console.error(line)
  console.log(table(broker, report, (performance.now() - start) / 1_000))
  if (report.violations.length > 0) console.log(`Again: npm run faults -- --broker ${broker} --seed ${values.seed}\n`)
}
process.exit(violations === 0 ? 0 : 1)
