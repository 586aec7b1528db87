import { Broker } from "@tandem/messaging/Broker"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import * as Metrics from "@tandem/messaging/Metrics"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import * as KafkaBroker from "@tandem/messaging-kafka/KafkaBroker"
import * as Database from "@tandem/service-kit/Database"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Effect, Layer, Metric, Redacted } from "effect"
import type { Client } from "./bareProducer.js"
import { fillOutbox, outboxDepth, partitions, topic } from "./outboxRows.js"

const publishedRows = (to: string) =>
  Effect.map(Metric.value(Metric.tagged(Metrics.published, "topic", to)), (state) => Number(state.count))

const untilPublished = (to: string, goal: number): Effect.Effect<void> =>
  Effect.flatMap(publishedRows(to), (count) =>
    count >= goal ? Effect.void : Effect.zipRight(Effect.sleep("5 millis"), untilPublished(to, goal)),
  )

/** Rows a second through the relay, from a full outbox to an empty one. */
export const drainOnce = (databaseUrl: string, rows: number, to: string = topic) =>
  Effect.gen(function* () {
    yield* Effect.promise(() => fillOutbox(databaseUrl, rows, to))
    const before = yield* publishedRows(to)
    const start = performance.now()
    const cpu = process.cpuUsage()
    yield* Effect.scoped(Effect.zipRight(Layer.build(Relay.layer()), untilPublished(to, before + rows)))
    const seconds = (performance.now() - start) / 1_000
    const used = process.cpuUsage(cpu)
    const left = yield* Effect.promise(() => outboxDepth(databaseUrl))
    if (left > 0) return yield* Effect.dieMessage(`${left} of ${rows} rows were left in the outbox`)
    return { perSecond: rows / seconds, cpuPerThousand: (used.user + used.system) / rows }
  })

/** What the relay runs on. */
export const environment = (databaseUrl: string, kafka: string, client: Client) =>
  Outbox.layer.pipe(
    Layer.provideMerge(KafkaBroker.layer({ client, brokers: [kafka], clientId: "bench" })),
    Layer.provideMerge(
      Database.layer({ url: Redacted.make(databaseUrl), applicationName: "bench" }, [messagingSchema]),
    ),
    Layer.provide(HealthChecks.layer),
  )

export const ensureTopic = Effect.flatMap(Broker, (broker) => broker.ensureTopics([{ name: topic, partitions }]))
