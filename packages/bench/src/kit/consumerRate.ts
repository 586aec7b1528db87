import { SqlClient } from "@effect/sql"
import { Broker } from "@tandem/messaging/Broker"
import * as CloudEvents from "@tandem/messaging/CloudEvents"
import * as Consumer from "@tandem/messaging/Consumer"
import * as RetrySchedules from "@tandem/messaging/RetrySchedules"
import { Clock, Effect, Schema, Stream } from "effect"
import { headers, key, partitions, value } from "./outboxRows.js"

class Benchmarked extends Schema.TaggedClass<Benchmarked>()("Benchmarked", { n: Schema.Int, pad: Schema.String }) {}

const events = CloudEvents.make({ source: "/tandem/bench", schema: Benchmarked })

/** A topic of its own with so many messages. */
const filledTopic = (messages: number, over: number) =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const name = `bench-consume-${yield* Clock.currentTimeMillis}`
    yield* broker.ensureTopics([{ name, partitions: over }])
    const batch = 1_000
    for (let sent = 0; sent < messages; sent += batch) {
      const some = Array.from({ length: batch }, (_, i) => sent + i)
      yield* broker.publish(some.map((n) => ({ topic: name, key: key(n), value: value(n), headers })))
    }
    return name
  })

/** Messages a second through a consumer whose handler does nothing: decoding, inbox and commit are what is left. */
export const consumerRate = (messages: number, over: number = partitions) =>
  Effect.gen(function* () {
    const name = yield* filledTopic(messages, over)
    const sql = yield* SqlClient.SqlClient
    yield* sql`TRUNCATE inbox_events`
    let seen = 0
    let start = 0
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Consumer.make({
          name,
          topics: [name],
          decode: events.decode,
          maxBatchMessages: 1_000,
          handler: (incoming) =>
            Effect.sync(() => {
              // Joining the group is not what is measured.
              if (seen === 0) start = performance.now()
              seen += incoming.length
              return { rejected: [], afterCommit: Effect.void }
            }),
        })
        while (seen < messages) yield* Effect.sleep("5 millis")
      }),
    )
    return messages / ((performance.now() - start) / 1_000)
  })

/** Messages a second that the driver alone delivers, acknowledged and not looked at. */
export const deliveryRate = (messages: number) =>
  Effect.gen(function* () {
    const name = yield* filledTopic(messages, partitions)
    const broker = yield* Broker
    let seen = 0
    let start = 0
    yield* broker.subscribe({ group: name, topics: [name], maxBatchMessages: 1_000 }).pipe(
      // A topic that was made a moment ago is not known everywhere yet.
      Stream.retry(RetrySchedules.subscription),
      Stream.mapEffect((batch) =>
        Effect.sync(() => {
          if (seen === 0) start = performance.now()
          seen += batch.messages.length
        }).pipe(Effect.zipRight(batch.acknowledge)),
      ),
      Stream.takeUntil(() => seen >= messages),
      Stream.runDrain,
    )
    return messages / ((performance.now() - start) / 1_000)
  })
