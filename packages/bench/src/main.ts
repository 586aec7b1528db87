import { cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { exitOnSignals } from "@tandem/dev-stack/ChildProcess"
import { bareFlow } from "./bareFlow/bareFlow.js"
import { type EndToEndReport, endToEnd } from "./endToEnd.js"
import { type Figure, markdown } from "./Figures.js"
import { growth } from "./growth/growth.js"
import { history } from "./history/history.js"
import { http } from "./http/http.js"
import { kit } from "./kit/kit.js"
import { settle } from "./money/settle.js"
import { push } from "./push/push.js"
import type { Part } from "./report/BenchReport.js"
import { machine, updateReport, versions } from "./report/report.js"
import { sockets } from "./sockets/sockets.js"
import { startup } from "./startup.js"

const usage = `npm run bench -- [system|kit|settle|http|sockets|push|start|report] [--json]
  system  orders created and settled through both services: [--broker postgres|kafka|both] [--clients 64] [--warm-up 10] [--seconds 20]
  kit     outbox, relay, consumer and inbox alone, over Kafka: [--client kafkajs|platformatic|both] [--rows 200000] [--runs 3] [--backlog 1000000]
  settle  the payment service's settle step alone: [--runs 3] [--batches 60]
  history both settle steps and POST /orders with years behind them: [--runs 3] [--history 10000000] [--clients 64] [--seconds 20]
  http    the order service's HTTP side alone: [--runs 3] [--clients 64] [--warm-up 10] [--seconds 20]
  sockets the order service's push side alone: [--runs 3] [--sockets 10000] [--frames 1000 a second] [--warm-up 10] [--seconds 20]
  push    from the POST of an order to the frame that tells its end: [--broker postgres|kafka|both] [--runs 3] [--warm-up 10] [--seconds 20]
  start   npm start on what is there, and the memory of the services with nothing to do: [--runs 3]
  report  all of them and how cost grows, written to docs/bench: [--runs 5] [--growth runs of each size, 5] [--parts http,kit,settle,history,system,push,sockets,start,growth] and the options above; 40 to 60 minutes with --runs 5 --seconds 6 --growth 2 --rows 100000 --backlog 300000, hours with the defaults`

const options = {
  broker: { type: "string", default: "both" },
  clients: { type: "string", default: "64" },
  "warm-up": { type: "string", default: "10" },
  seconds: { type: "string", default: "20" },
  client: { type: "string", default: "both" },
  rows: { type: "string", default: "200000" },
  runs: { type: "string" },
  backlog: { type: "string", default: "1000000" },
  batches: { type: "string", default: "60" },
  history: { type: "string", default: "10000000" },
  sockets: { type: "string", default: "10000" },
  growth: { type: "string" },
  parts: { type: "string" },
  frames: { type: "string", default: "1000" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const

const { values, positionals } = parseArgs({ options, allowPositionals: true })

const usualRuns = 3
const reportRuns = 5

const integer = (name: Exclude<keyof typeof options, "json" | "help" | "parts">, least = 1): number => {
  const value = Number(values[name] ?? (positionals[0] === "report" ? reportRuns : usualRuns))
  if (!Number.isInteger(value) || value < least) throw new Error(`--${name} must be a whole number from ${least} on`)
  return value
}

/** One of two, or both. */
const choice = <A extends string>(name: "broker" | "client", both: readonly [A, A]): ReadonlyArray<A> => {
  if (values[name] === "both") return both
  const chosen = both.find((one) => one === values[name])
  if (chosen === undefined) throw new Error(`--${name} must be ${both.join(", ")} or both`)
  return [chosen]
}

const system = async (runs = values.runs === undefined ? 1 : integer("runs")): Promise<ReadonlyArray<Figure>> => {
  const figures: Array<Figure> = []
  for (const broker of choice("broker", ["postgres", "kafka"])) {
    const reports: Array<EndToEndReport> = []
    const bare: Array<number> = []
    const load = { clients: integer("clients"), warmUpSeconds: integer("warm-up"), seconds: integer("seconds") }
    for (let run = 1; run <= runs; run++) {
      reports.push(await endToEnd({ broker, ...load }))
      if (broker === "kafka") bare.push(await bareFlow(load))
      const beside = bare.length === 0 ? "" : `; the same in bare Node ${Math.round(bare.at(-1) ?? 0)}/s`
      console.error(
        `run ${run} over ${broker}: ${Math.round(reports.at(-1)?.settledPerSecond ?? 0)} settled/s${beside}`,
      )
    }
    figures.push(...systemFigures(reports, bare))
  }
  return figures
}

const systemFigures = (reports: ReadonlyArray<EndToEndReport>, bare: ReadonlyArray<number>): ReadonlyArray<Figure> => {
  const name = `over ${reports[0]?.broker}`
  const each = (pick: (report: EndToEndReport) => number) => reports.map(pick)
  const settled = {
    name: `orders settled, ${name}`,
    unit: "orders/s",
    values: each((report) => report.settledPerSecond),
  }
  return [
    ...(bare.length === 0
      ? []
      : [
          {
            ...settled,
            yardstick: { name: "the same flow in bare Node", values: bare },
            target: { value: { least: 3_000, next: 5_000 }, ratio: { least: 0.6, next: 0.9 } },
          },
        ]),
    {
      ...settled,
      yardstick: { name: "order + outbox inserts alone", values: each((report) => report.yardstickPerSecond) },
    },
    {
      ...settled,
      name: `the same, of what was created, ${name}`,
      yardstick: { name: "orders created", values: each((report) => report.createdPerSecond) },
      // Settlement keeps pace.
      target: { ratio: { least: 0.95 } },
    },
    { name: `POST /orders p50, ${name}`, unit: "ms", values: each((report) => report.p50) },
    { name: `POST /orders p99, ${name}`, unit: "ms", values: each((report) => report.p99) },
    { name: `failed, ${name}`, unit: "requests", values: each((report) => report.failed) },
    { name: `until the last order had ended, ${name}`, unit: "s", values: each((report) => report.drainSeconds) },
  ]
}

const benchmarks: Readonly<Record<string, () => Promise<ReadonlyArray<Figure>>>> = {
  system: () => system(),
  kit: () =>
    kit(
      {
        clients: choice("client", ["kafkajs", "platformatic"]),
        rows: integer("rows"),
        runs: integer("runs"),
        backlog: integer("backlog", 0),
      },
      console.error,
    ),
  http: () =>
    http(
      {
        runs: integer("runs"),
        clients: integer("clients", 8),
        warmUpSeconds: integer("warm-up"),
        seconds: integer("seconds"),
      },
      console.error,
    ),
  push: () =>
    push(
      {
        runs: integer("runs"),
        brokers: choice("broker", ["postgres", "kafka"]),
        warmUpSeconds: integer("warm-up"),
        seconds: integer("seconds"),
      },
      console.error,
    ),
  sockets: () =>
    sockets(
      {
        runs: integer("runs"),
        sockets: integer("sockets", 100),
        perSecond: integer("frames"),
        warmUpSeconds: integer("warm-up"),
        seconds: integer("seconds"),
      },
      console.error,
    ),
  history: () =>
    history(
      {
        runs: integer("runs"),
        history: integer("history", 10_000),
        clients: integer("clients"),
        seconds: integer("seconds"),
      },
      console.error,
    ),
  start: () => startup({ runs: integer("runs") }, console.error),
  settle: () => settle({ runs: integer("runs"), batches: integer("batches") }, console.error),
}

/** What the report's parts are called, in their order. */
const titles = {
  http: "The order service's HTTP side",
  kit: "The messaging kit",
  settle: "The settle step",
  history: "With history",
  system: "The whole system",
  push: "From POST to frame",
  sockets: "Open sockets",
  start: "The start",
  growth: "How cost grows",
} as const

/** Each part is written as soon as it is measured; one that is not asked for stays as it was. */
const report = async () => {
  const names = Object.keys(titles) as Array<keyof typeof titles>
  const asked = values.parts?.split(",") ?? names
  const unknown = asked.filter((name) => !(name in titles))
  if (unknown.length > 0) throw new Error(`The report has no part ${unknown.join(", ")}; it has ${names.join(", ")}`)
  for (const name of names.filter((one) => asked.includes(one))) {
    const from = new Date().toISOString()
    console.error(`${from} ${titles[name]}`)
    const measured = await measurePart(name)
    const runs = `medians of ${integer(name === "growth" ? "growth" : "runs")} runs with the least and the most`
    const how = `${runs}; ${integer("warm-up")} s of warm-up, ${integer("seconds")} s measured, ${integer("rows")} rows a drain`
    const conditions = { machine: machine(), versions: versions(), how, from, to: new Date().toISOString() }
    const folder = fileURLToPath(new URL("../../../docs/bench/", import.meta.url))
    updateReport([{ title: titles[name], conditions, ...measured }], Object.values(titles), folder)
  }
}

const measurePart = async (name: keyof typeof titles): Promise<Pick<Part, "figures" | "growth">> => {
  if (name === "growth") {
    const options = { runs: integer("growth"), warmUpSeconds: integer("warm-up"), seconds: integer("seconds") }
    return { figures: [], growth: await growth(options, console.error) }
  }
  return { figures: name === "system" ? await system(integer("runs")) : ((await benchmarks[name]?.()) ?? []) }
}

const main = async () => {
  if (values.help) return console.log(usage)
  const [name = "system", ...rest] = positionals
  if (name === "report" && rest.length === 0) return await report()
  const benchmark = benchmarks[name]
  if (benchmark === undefined || rest.length > 0) throw new Error(`There is no such benchmark.\n${usage}`)
  const figures = await benchmark()
  if (values.json) return console.log(JSON.stringify(figures, null, 2))
  const processor = cpus()
  console.log(`\nNode ${process.version}, ${processor.length} × ${processor[0]?.model ?? "unknown processor"}\n`)
  console.log(markdown(figures))
}

exitOnSignals()
try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
