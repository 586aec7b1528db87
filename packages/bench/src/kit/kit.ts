import { Effect } from "effect"
import type { Figure } from "../Figures.js"
import { bareProducer, type Client } from "./bareProducer.js"
import { consumerRate, deliveryRate } from "./consumerRate.js"
import { underHeldSnapshot } from "./heldSnapshot.js"
import { latencyAt } from "./latency.js"
import { fillOutbox } from "./outboxRows.js"
import { drainOnce, ensureTopic, environment } from "./relayDrain.js"
import { startServers } from "./Servers.js"
import { inboxInserts, readOnlyScan } from "./yardsticks.js"

/** How much of everything. */
export interface KitOptions {
  readonly clients: ReadonlyArray<Client>
  /** Rows of one drain, messages of one consumer run. */
  readonly rows: number
  readonly runs: number
  /** Rows of the drain that begins with a long backlog; 0 leaves it out. */
  readonly backlog: number
}

/** What each client is asked for (design, targets). */
const targets = {
  kafkajs: { drain: { value: { least: 40_000 }, ratio: { least: 0.9 } }, name: "kafkajs" },
  platformatic: { drain: { value: { least: 75_000 }, ratio: { least: 0.7 } }, name: "@platformatic/kafka" },
} as const

/** The messaging kit alone, over Kafka and a durable PostgreSQL, each figure beside its yardstick in the same run. */
export const kit = async (options: KitOptions, say: (line: string) => void): Promise<ReadonlyArray<Figure>> => {
  const servers = await startServers()
  try {
    const figures: Array<Figure> = []
    for (const client of options.clients) {
      say(`${targets[client].name}: ${options.runs} runs`)
      figures.push(...(await withClient(client, options, servers.databaseUrl, servers.kafka)))
    }
    return figures
  } finally {
    await servers.stop()
  }
}

const withClient = (client: Client, { rows, runs, backlog }: KitOptions, databaseUrl: string, kafka: string) =>
  Effect.gen(function* () {
    yield* Effect.retry(ensureTopic, { times: 10 })
    const drained = Effect.map(drainOnce(databaseUrl, rows), ({ perSecond }) => perSecond)
    const scan = Effect.promise(() => fillOutbox(databaseUrl, rows)).pipe(
      Effect.zipRight(Effect.promise(() => readOnlyScan(databaseUrl, rows))),
    )
    const results = {
      bare: [] as Array<number>,
      scan: [] as Array<number>,
      drain: [] as Array<number>,
      held: [] as Array<number>,
      delivery: [] as Array<number>,
      consumer: [] as Array<number>,
      inbox: [] as Array<number>,
      p50: [] as Array<number>,
      p99: [] as Array<number>,
      driverP50: [] as Array<number>,
      driverP99: [] as Array<number>,
    }
    // The first of everything warms up.
    for (let run = 0; run <= runs; run++) {
      const round = {
        bare: yield* Effect.promise(() => bareProducer(client, kafka, rows, 1_000)),
        drain: yield* drained,
        scan: yield* scan,
        delivery: yield* deliveryRate(rows),
        consumer: yield* consumerRate(rows),
        inbox: yield* Effect.promise(() => inboxInserts(databaseUrl, rows, 1_000)),
      }
      const { p50, p99 } = yield* latencyAt(databaseUrl, "relay", 2_000, 6)
      const driver = yield* latencyAt(databaseUrl, "driver", 2_000, 6)
      if (run === 0) continue
      for (const [name, value] of Object.entries({ ...round, p50, p99, driverP50: driver.p50, driverP99: driver.p99 }))
        results[name as keyof typeof results].push(value)
    }
    const runtime = yield* Effect.runtime<Effect.Effect.Context<typeof drained>>()
    yield* Effect.promise(() =>
      underHeldSnapshot(databaseUrl, async () => {
        for (let run = 0; run <= runs; run++) {
          results.held.push(await Effect.runPromise(Effect.provide(drained, runtime)))
        }
      }),
    )
    const long = backlog === 0 ? undefined : (yield* drainOnce(databaseUrl, backlog)).perSecond
    const { name, drain } = targets[client]
    return [
      {
        name: `relay drain, ${name}`,
        unit: "rows/s",
        values: results.drain,
        target: drain,
        yardstick: { name: "bare producer", values: results.bare },
      },
      {
        name: `relay drain, ${name}`,
        unit: "rows/s",
        values: results.drain,
        yardstick: { name: "read-only scan", values: results.scan },
      },
      {
        name: `the same under a held snapshot, ${name}`,
        unit: "rows/s",
        values: results.held,
        target: { ratio: { least: 0.8 } },
        yardstick: { name: "fresh", values: results.drain },
      },
      ...(long === undefined
        ? []
        : [
            {
              name: `the same of ${backlog.toLocaleString("en-US")} rows, ${name}`,
              unit: "rows/s",
              values: [long],
              yardstick: { name: "fresh", values: results.drain },
            },
          ]),
      {
        name: `consumer with inbox, ${name}`,
        unit: "messages/s",
        values: results.consumer,
        target: { value: { least: 30_000 } },
        yardstick: { name: "delivery alone", values: results.delivery },
      },
      {
        name: `consumer with inbox, ${name}`,
        unit: "messages/s",
        values: results.consumer,
        yardstick: { name: "inbox inserts alone", values: results.inbox },
      },
      {
        name: `commit → consumer at 2,000/s, p50, ${name}`,
        unit: "ms",
        values: results.p50,
        target: { value: { most: 3 } },
        yardstick: { name: "published by the writer itself", values: results.driverP50 },
      },
      {
        name: `commit → consumer at 2,000/s, p99, ${name}`,
        unit: "ms",
        values: results.p99,
        target: { value: { most: 25 } },
        yardstick: { name: "published by the writer itself", values: results.driverP99 },
      },
    ] satisfies ReadonlyArray<Figure>
  }).pipe(Effect.provide(environment(databaseUrl, kafka, client)), Effect.runPromise)
