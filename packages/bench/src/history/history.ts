import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { freePort } from "@tandem/dev-stack/Processes"
import { startService } from "@tandem/dev-stack/Services"
import { Effect, ManagedRuntime } from "effect"
import { rate } from "../ClosedLoop.js"
import type { Figure } from "../Figures.js"
import { rawLoop } from "../http/RawLoop.js"
import * as Ledger from "../money/Ledger.js"
import { settleStep } from "../money/settleStep.js"
import { query } from "../query.js"
import * as Orders from "./Orders.js"

/** How much of everything. */
export interface HistoryOptions {
  readonly runs: number
  /** Orders of the past. */
  readonly history: number
  readonly clients: number
  readonly seconds: number
}

/** Who ordered in the past, and who does now. */
const pastUsers = 10_000
const users = 500

/** Batches of 500 of one measurement of a settle step. */
const batches = 40

/** Two of everything, on one server: what is measured stands on one without and one with history, in turns. */
const sides = ["fresh", "late"] as const
type Side = (typeof sides)[number]
type Rates = Record<Side, Array<number>>

/** What the hot path does with years behind it: both settle steps and `POST /orders`, each beside itself on empty tables. */
export const history = async (options: HistoryOptions, say: (line: string) => void): Promise<ReadonlyArray<Figure>> => {
  const directory = mkdtempSync(join(tmpdir(), "tandem-bench-"))
  // PostgreSQL's user must be able to enter when we are root.
  chmodSync(directory, 0o755)
  // Filling must not wait for checkpoints, nor must they come while something is measured.
  const settings = { max_wal_size: "16GB", checkpoint_timeout: "1h" }
  const postgres = await startPostgres({ directory: join(directory, "postgres"), fresh: true, settings })
  try {
    const database = (name: string) => postgres.ensureDatabase(name)
    const checkpoint = async () => {
      await query(postgres.url("postgres"), "CHECKPOINT")
    }
    return [
      ...(await ofPayments(
        { fresh: await database("payments"), late: await database("payments_late") },
        options,
        checkpoint,
        say,
      )),
      ...(await ofOrders(
        { fresh: await database("orders"), late: await database("orders_late") },
        options,
        checkpoint,
        say,
      )),
    ]
  } finally {
    await postgres.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

type Urls = Readonly<Record<Side, string>>

const ofPayments = async (
  urls: Urls,
  { runs, history: orders }: HistoryOptions,
  checkpoint: () => Promise<void>,
  say: (line: string) => void,
): Promise<ReadonlyArray<Figure>> => {
  const at = {
    fresh: ManagedRuntime.make(Ledger.layer(urls.fresh)),
    late: ManagedRuntime.make(Ledger.layer(urls.late)),
  }
  const [hot, many] = [Ledger.userNames(1), Ledger.userNames(users)]
  try {
    await filled(orders, "payments", () => at.late.runPromise(Ledger.fillHistory(orders, pastUsers)), checkpoint, say)
    for (const side of sides) {
      await at[side].runPromise(
        Effect.all([Ledger.fund(hot), Ledger.fund(many), settleStep(hot, 20), settleStep(many, 20)]),
      )
    }
    const figures: Array<Figure> = []
    for (const [accounts, names] of [
      ["one hot account", hot],
      [`${users} accounts`, many],
    ] as const) {
      const rates = await inTurns(
        runs,
        async (side) => (await at[side].runPromise(settleStep(names, batches))).perSecond,
      )
      say(`payments settled, ${accounts}: ${told(rates)}`)
      figures.push(figure(`payments settled, ${accounts}`, "payments/s", orders, rates))
    }
    return figures
  } finally {
    for (const side of sides) await at[side].dispose()
  }
}

const ofOrders = async (
  urls: Urls,
  { runs, history: orders, clients, seconds }: HistoryOptions,
  checkpoint: () => Promise<void>,
  say: (line: string) => void,
): Promise<ReadonlyArray<Figure>> => {
  const at = {
    fresh: ManagedRuntime.make(Orders.layer(urls.fresh)),
    late: ManagedRuntime.make(Orders.layer(urls.late)),
  }
  try {
    await filled(orders, "orders", () => at.late.runPromise(Orders.fillOrders(orders, pastUsers)), checkpoint, say)
    for (const side of sides) await at[side].runPromise(Orders.settleOrders(users, 20))
    const settled = await inTurns(runs, (side) => at[side].runPromise(Orders.settleOrders(users, batches)))
    say(`orders settled, ${users} users: ${told(settled)}`)
    const posted = await ofPosts(urls, { runs, clients, seconds })
    say(`POST /orders: ${told(posted)}`)
    return [
      figure(`orders settled by their results, ${users} users`, "orders/s", orders, settled),
      figure(`POST /orders, ${clients} clients`, "requests/s", orders, posted),
    ]
  } finally {
    for (const side of sides) await at[side].dispose()
  }
}

/** The order service itself on both databases; nobody listens where its broker would be. */
const ofPosts = async (urls: Urls, { runs, clients, seconds }: Omit<HistoryOptions, "history">): Promise<Rates> => {
  const directory = mkdtempSync(join(tmpdir(), "tandem-bench-"))
  const start = async (side: Side) =>
    startService({
      service: "order",
      name: side,
      port: await freePort(),
      env: { DATABASE_URL: urls[side], BROKER_URL: "kafka://127.0.0.1:9" },
      pidFile: join(directory, `${side}.pid`),
      onLine: () => undefined,
      onGivenUp: (fault) => console.error(fault.message),
    })
  const services = { fresh: await start("fresh"), late: await start("late") }
  const request = (client: number, sequence: number) =>
    `POST /orders?userId=user-${(client * 7 + sequence) % users}&amount=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n`
  const load = async (side: Side, long: number) => {
    await query(urls[side], "TRUNCATE outbox_events")
    const port = Number(new URL(services[side].url).port)
    const loop = await rawLoop({ port, clients, seconds: long, request, accepts: (status) => status === 201 })
    if (loop.failed > 0) throw new Error(`${loop.failed} requests failed`)
    return rate(loop)
  }
  try {
    for (const side of sides) await services[side].started
    for (const side of sides) await load(side, Math.max(5, seconds))
    return await inTurns(runs, (side) => load(side, seconds))
  } finally {
    for (const side of sides) await services[side].stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

const filled = async (
  orders: number,
  what: string,
  fill: () => Promise<void>,
  checkpoint: () => Promise<void>,
  say: (line: string) => void,
) => {
  const start = performance.now()
  await fill()
  await checkpoint()
  say(
    `${orders.toLocaleString("en-US")} ${what} of the past written in ${Math.round((performance.now() - start) / 1_000)} s`,
  )
}

/** Which side begins changes from run to run, so that neither always finds what the other has left. */
const inTurns = async (runs: number, measure: (side: Side) => Promise<number>): Promise<Rates> => {
  const rates: Rates = { fresh: [], late: [] }
  for (let turn = 0; turn < runs; turn++) {
    for (const side of turn % 2 === 0 ? sides : sides.toReversed()) rates[side].push(await measure(side))
  }
  return rates
}

const figure = (name: string, unit: string, orders: number, { fresh, late }: Rates): Figure => ({
  name: `${name}, ${orders.toLocaleString("en-US")} orders of history`,
  unit,
  values: late,
  yardstick: { name: "without history", values: fresh },
  target: { ratio: { least: 0.9 } },
})

const told = ({ fresh, late }: Rates) =>
  `${Math.round(late.at(-1) ?? 0)}/s with history, ${Math.round(fresh.at(-1) ?? 0)}/s without`
