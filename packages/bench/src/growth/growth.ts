import { Broker } from "@tandem/messaging/Broker"
import { Effect } from "effect"
import { endToEnd } from "../endToEnd.js"
import { consumerRate } from "../kit/consumerRate.js"
import { drainOnce, environment } from "../kit/relayDrain.js"
import { startServers } from "../kit/Servers.js"
import { fillHistory, fund, layer, makeDatabase, userNames } from "../money/Ledger.js"
import { settleStep } from "../money/settleStep.js"
import { measureSockets } from "../sockets/sockets.js"
import { type Series, series } from "./Series.js"

/** How much of everything. */
export interface GrowthOptions {
  readonly runs: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

const users = [1, 10, 100, 1_000, 10_000]
const history = [0, 100_000, 1_000_000, 10_000_000]
const partitions = [1, 4, 8, 32]
const openSockets = [100, 1_000, 10_000]
const instances = [1, 2, 3]

/** Batches of 500 of one measurement of the settle step. */
const batches = 30

/** Rows of one drain, messages of one consumer run. */
const rows = 50_000

/** How cost grows with users, orders of history, partitions, open sockets and instances. */
export const growth = async (options: GrowthOptions, say: (line: string) => void): Promise<ReadonlyArray<Series>> => [
  ...(await ofSettling(options, say)),
  ...(await ofPartitions(options, say)),
  ...(await ofSockets(options, say)),
  ...(await ofInstances(options, say)),
]

const ofSettling = async ({ runs }: GrowthOptions, say: (line: string) => void): Promise<ReadonlyArray<Series>> => {
  say("the settle step by users and by history")
  const database = await makeDatabase()
  const measured = Effect.gen(function* () {
    for (const accounts of users) {
      const names = userNames(accounts)
      for (let n = 0; n < names.length; n += 1_000) yield* fund(names.slice(n, n + 1_000))
    }
    yield* settleStep(userNames(100), 20)
    const runtime = yield* Effect.runtime<Effect.Effect.Context<ReturnType<typeof settleStep>>>()
    const rate = async (accounts: number) =>
      (await Effect.runPromise(Effect.provide(settleStep(userNames(accounts), batches), runtime))).perSecond
    const unit = "payments/s"
    const byUsers = yield* Effect.promise(() =>
      series({ name: "settle step", unit, by: "accounts in the batches", sizes: users, runs }, rate),
    )
    const points: Array<Series["points"][number]> = []
    let written = 0
    for (const at of history) {
      if (at > written) yield* fillHistory(at - written, 10_000, `past-${at}`)
      written = at
      const values: Array<number> = []
      for (let run = 0; run < runs; run++) values.push(yield* Effect.promise(() => rate(500)))
      points.push({ at, values })
    }
    return [byUsers, { name: "settle step, 500 accounts", unit, by: "orders of history", points }]
  })
  try {
    return await Effect.runPromise(Effect.provide(measured, layer(database.url)))
  } finally {
    await database.stop()
  }
}

const ofPartitions = async ({ runs }: GrowthOptions, say: (line: string) => void): Promise<ReadonlyArray<Series>> => {
  say("relay and consumer by partitions")
  const { databaseUrl, kafka, stop } = await startServers()
  const measured = Effect.gen(function* () {
    const broker = yield* Broker
    const topicOf = (count: number) => `bench-partitions-${count}`
    yield* Effect.retry(broker.ensureTopics(partitions.map((count) => ({ name: topicOf(count), partitions: count }))), {
      times: 10,
    })
    // Warms up.
    yield* drainOnce(databaseUrl, rows, topicOf(8))
    yield* consumerRate(rows)
    const drain = (count: number) => Effect.map(drainOnce(databaseUrl, rows, topicOf(count)), (run) => run.perSecond)
    const consume = (count: number) => consumerRate(rows, count)
    const runtime = yield* Effect.runtime<
      Effect.Effect.Context<ReturnType<typeof drain>> | Effect.Effect.Context<ReturnType<typeof consume>>
    >()
    const run = <E>(
      effect: Effect.Effect<number, E, Effect.Effect.Context<ReturnType<typeof drain | typeof consume>>>,
    ) => Effect.runPromise(Effect.provide(effect, runtime))
    const options = { by: "partitions", sizes: partitions, runs }
    return [
      yield* Effect.promise(() => series({ ...options, name: "relay drain", unit: "rows/s" }, (n) => run(drain(n)))),
      yield* Effect.promise(() =>
        series({ ...options, name: "consumer with inbox", unit: "messages/s" }, (n) => run(consume(n))),
      ),
    ]
  })
  try {
    return await Effect.runPromise(Effect.provide(measured, environment(databaseUrl, kafka, "kafkajs")))
  } finally {
    await stop()
  }
}

const ofSockets = async (
  { runs, warmUpSeconds, seconds }: GrowthOptions,
  say: (line: string) => void,
): Promise<ReadonlyArray<Series>> => {
  say("push by open sockets")
  const by = "open sockets"
  const memory: Array<Series["points"][number]> = []
  const latency: Array<Series["points"][number]> = []
  for (const at of openSockets) {
    const some = { runs, sockets: at, perSecond: 500, warmUpSeconds, seconds }
    const { pushHub } = await measureSockets(["pushHub"], some, () => undefined)
    memory.push({ at, values: pushHub.map(({ rss }) => rss / 1_000) })
    latency.push({ at, values: pushHub.map(({ p99 }) => p99) })
  }
  return [
    { name: "memory a socket", unit: "KB", by, points: memory },
    { name: "publish → frame p99, 500 frames/s", unit: "ms", by, points: latency },
  ]
}

const ofInstances = async (
  { runs, warmUpSeconds, seconds }: GrowthOptions,
  say: (line: string) => void,
): Promise<ReadonlyArray<Series>> => {
  say("the whole system by instances")
  return [
    await series(
      {
        name: "settled over Kafka, all on the same two cores",
        unit: "orders/s",
        by: "instances of each service",
        sizes: instances,
        runs,
      },
      async (count) =>
        (await endToEnd({ broker: "kafka", instances: count, clients: 64, warmUpSeconds, seconds })).settledPerSecond,
    ),
  ]
}
