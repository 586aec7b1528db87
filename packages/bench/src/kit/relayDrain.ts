import { SqlClient } from "@effect/sql"
import { Broker } from "@tandem/messaging/Broker"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import * as Metrics from "@tandem/messaging/Metrics"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import * as KafkajsBroker from "@tandem/messaging-kafka/KafkajsBroker"
import * as Database from "@tandem/service-kit/Database"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Effect, Layer, Metric, Redacted } from "effect"
import { fillOutbox, headers, key, outboxDepth, partitions, topic, value } from "./outboxRows.js"

const publishedRows = Effect.map(Metric.value(Metric.tagged(Metrics.published, "topic", topic)), (state) =>
  Number(state.count),
)

const untilPublished = (goal: number): Effect.Effect<void> =>
  Effect.flatMap(publishedRows, (count) =>
    count >= goal ? Effect.void : Effect.zipRight(Effect.sleep("5 millis"), untilPublished(goal)),
  )

/** Rows a second through the relay, from a full outbox to an empty one. */
export const drainOnce = (databaseUrl: string, rows: number) =>
  Effect.gen(function* () {
    yield* Effect.promise(() => fillOutbox(databaseUrl, rows))
    const before = yield* publishedRows
    const start = performance.now()
    const cpu = process.cpuUsage()
    yield* Effect.scoped(Effect.zipRight(Layer.build(Relay.layer()), untilPublished(before + rows)))
    const seconds = (performance.now() - start) / 1_000
    const used = process.cpuUsage(cpu)
    const left = yield* Effect.promise(() => outboxDepth(databaseUrl))
    if (left > 0) yield* Effect.logWarning(`${left} rows were left for the next relay`)
    yield* SqlClient.SqlClient.pipe(Effect.flatMap((sql) => sql`DELETE FROM outbox_events`))
    return { perSecond: rows / seconds, cpuPerThousand: (used.user + used.system) / rows }
  })

/** Messages a second through the driver's `publish` alone, in batches like the relay's. */
export const publishOnce = (rows: number, batch: number) =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const messages = Array.from({ length: batch }, (_, n) => ({ topic, key: key(n), value: value(n), headers }))
    const start = performance.now()
    for (let sent = 0; sent < rows; sent += batch) yield* broker.publish(messages)
    return rows / ((performance.now() - start) / 1_000)
  })

/** What the relay runs on. */
export const environment = (databaseUrl: string, kafka: string) =>
  Outbox.layer.pipe(
    Layer.provideMerge(KafkajsBroker.layer({ brokers: [kafka], clientId: "bench" })),
    Layer.provideMerge(
      Database.layer({ url: Redacted.make(databaseUrl), applicationName: "bench" }, [messagingSchema]),
    ),
    Layer.provide(HealthChecks.layer),
  )

export const ensureTopic = Effect.flatMap(Broker, (broker) => broker.ensureTopics([{ name: topic, partitions }]))
