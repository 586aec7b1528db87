import { cpus } from "node:os"
import { parseArgs } from "node:util"
import { type EndToEndReport, endToEnd } from "./endToEnd.js"

const usage = `npm run bench -- [--broker postgres|kafka|both] [--clients 64] [--warm-up 10] [--seconds 20] [--json]`

const integer = (text: string, name: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number above 0`)
  return value
}

const table = (reports: ReadonlyArray<EndToEndReport>): string =>
  [
    "| broker | settled/s | created/s | order + outbox inserts alone, per s | settled ÷ inserts | POST p50 ms | POST p99 ms | failed | drain s |",
    "|---|---|---|---|---|---|---|---|---|",
    ...reports.map((report) =>
      [
        "",
        report.broker,
        report.settledPerSecond.toFixed(0),
        report.createdPerSecond.toFixed(0),
        report.yardstickPerSecond.toFixed(0),
        report.ratio.toFixed(2),
        report.p50.toFixed(1),
        report.p99.toFixed(1),
        report.failed,
        report.drainSeconds.toFixed(2),
        "",
      ]
        .join(" | ")
        .trim(),
    ),
  ].join("\n")

const main = async () => {
  const { values } = parseArgs({
    options: {
      broker: { type: "string", default: "both" },
      clients: { type: "string", default: "64" },
      "warm-up": { type: "string", default: "10" },
      seconds: { type: "string", default: "20" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  })
  if (values.help) return console.log(usage)
  const brokers =
    values.broker === "both"
      ? (["postgres", "kafka"] as const)
      : values.broker === "postgres" || values.broker === "kafka"
        ? ([values.broker] as const)
        : undefined
  if (brokers === undefined) throw new Error("--broker must be postgres, kafka or both")
  const reports: Array<EndToEndReport> = []
  for (const broker of brokers) {
    reports.push(
      await endToEnd({
        broker,
        clients: integer(values.clients, "clients"),
        warmUpSeconds: integer(values["warm-up"], "warm-up"),
        seconds: integer(values.seconds, "seconds"),
      }),
    )
  }
  if (values.json) return console.log(JSON.stringify(reports, null, 2))
  const processor = cpus()
  console.log(`\nNode ${process.version}, ${processor.length} × ${processor[0]?.model ?? "unknown processor"}\n`)
  console.log(table(reports))
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
