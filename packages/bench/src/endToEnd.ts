import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import pg from "pg"
import { Pool } from "undici"
import { closedLoop, percentile, rate } from "./ClosedLoop.js"
import { insertYardstick } from "./insertYardstick.js"

/** How long and how wide. */
export interface EndToEndOptions {
  readonly broker: "postgres" | "kafka"
  /** Of each service; 1 when absent. Clients take turns. */
  readonly instances?: number
  readonly clients: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

/** Orders created and settled through both services; rates are per second, latencies in ms. */
export interface EndToEndReport {
  readonly broker: string
  readonly createdPerSecond: number
  readonly settledPerSecond: number
  readonly yardstickPerSecond: number
  readonly ratio: number
  readonly p50: number
  readonly p99: number
  readonly failed: number
  readonly drainSeconds: number
}

const users = 500

/**
 * A closed loop on `POST /orders` with settlement running behind it. `settledPerSecond` counts what was settled inside the
 * measured window, so settlement must keep pace; afterwards every order must end, or the run fails.
 */
export const endToEnd = async (options: EndToEndOptions): Promise<EndToEndReport> => {
  const stack = await startStack({ broker: options.broker })
  try {
    const urls = [stack.orderUrl]
    for (let instance = 2; instance <= (options.instances ?? 1); instance++) {
      urls.push((await stack.addInstance("order")).url)
      await stack.addInstance("payment")
    }
    return await measure(stack, urls, options)
  } finally {
    await stack.stop()
  }
}

const measure = async (
  stack: Stack,
  orderUrls: ReadonlyArray<string>,
  options: EndToEndOptions,
): Promise<EndToEndReport> => {
  const orders = orderUrls.map((url) => new Pool(url, { connections: options.clients, pipelining: 1 }))
  const payments = new Pool(stack.paymentUrl, { connections: 16, pipelining: 1 })
  const database = new pg.Client({ connectionString: stack.databaseUrls.orders })
  await database.connect()
  const post = async (pool: Pool | undefined, path: string) => {
    if (pool === undefined) throw new Error("there is no instance to ask")
    const response = await pool.request({ method: "POST", path })
    await response.body.dump()
    if (response.statusCode !== 201 && response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`)
  }
  const settled = async () => {
    const { rows } = await database.query<{ settled: string; open: string }>(
      "SELECT count(*) FILTER (WHERE status <> 'NEW') AS settled, count(*) FILTER (WHERE status = 'NEW') AS open FROM orders",
    )
    return { settled: Number(rows[0]?.settled), open: Number(rows[0]?.open) }
  }
  try {
    for (let user = 0; user < users; user += 16) {
      const some = Array.from({ length: Math.min(16, users - user) }, (_, index) => user + index)
      await Promise.all(some.map((id) => post(payments, `/accounts?userId=bench-${id}&amount=1000000000`)))
    }
    const operation = (client: number, sequence: number) =>
      post(orders[client % orders.length], `/orders?userId=bench-${(client * 7 + sequence) % users}&amount=1`)

    await closedLoop({ clients: options.clients, seconds: options.warmUpSeconds, operation })
    const before = await settled()
    const started = performance.now()
    const loop = await closedLoop({ clients: options.clients, seconds: options.seconds, operation })
    const after = await settled()
    const window = (performance.now() - started) / 1_000

    const drainStart = performance.now()
    const deadline = drainStart + 120_000
    while ((await settled()).open > 0) {
      if (performance.now() > deadline) throw new Error("orders were still NEW two minutes after the last was placed")
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const drainSeconds = (performance.now() - drainStart) / 1_000

    const yardstick = await insertYardstick(stack.databaseUrls.orders, options.clients, options.seconds)
    const settledPerSecond = (after.settled - before.settled) / window
    return {
      broker: options.broker,
      createdPerSecond: rate(loop),
      settledPerSecond,
      yardstickPerSecond: rate(yardstick),
      ratio: settledPerSecond / rate(yardstick),
      p50: percentile(loop, 0.5),
      p99: percentile(loop, 0.99),
      failed: loop.failed,
      drainSeconds,
    }
  } finally {
    await database.end()
    await Promise.all(orders.map((pool) => pool.close()))
    await payments.close()
  }
}
