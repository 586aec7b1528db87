import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { Broker, type PartitionBatch, type SubscribeOptions } from "@tandem/messaging/Broker"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import * as PostgresBroker from "@tandem/messaging-postgres/PostgresBroker"
import { Context, Effect, Layer, Queue, Redacted, Schedule, Stream } from "effect"

export type BrokerService = Context.Tag.Service<Broker>

/** A database of the test's own. */
export const database = Effect.acquireRelease(
  Effect.promise(() => createTestDatabase()),
  ({ drop }) => Effect.promise(() => drop()),
)

/** A broker as a process of its own would have it. */
export const connect = (url: string, options: Partial<PostgresBroker.PostgresBrokerOptions> = {}) =>
  Effect.map(
    Layer.build(Layer.fresh(PostgresBroker.layer({ ...options, url: Redacted.make(url) }))),
    Context.get(Broker),
  )

/** A look into the broker's tables. */
export const inspect = (url: string) =>
  Effect.map(Layer.build(PgClient.layer({ url: Redacted.make(url) })), Context.get(SqlClient.SqlClient))

export const message = (key: string | null, value: string, topic = "things"): OutgoingMessage => ({
  topic,
  key,
  value: new TextEncoder().encode(value),
  headers: {},
})

export const texts = (batch: PartitionBatch): ReadonlyArray<string> =>
  batch.messages.map(({ value }) => new TextDecoder().decode(value ?? undefined))

/** Runs a member of a group for as long as the scope; its batches wait in the queue, not acknowledged. */
export const member = (broker: BrokerService, options: Partial<SubscribeOptions> = {}) =>
  Effect.gen(function* () {
    const batches = yield* Queue.unbounded<PartitionBatch>()
    yield* broker.subscribe({ group: "g", topics: ["things"], ...options }).pipe(
      Stream.runForEach((batch) => Queue.offer(batches, batch)),
      Effect.forkScoped,
    )
    return batches
  })

/** Runs a member that acknowledges everything at once, and answers the values that it has seen so far, in order. */
export const eager = (broker: BrokerService, options: Partial<SubscribeOptions> = {}) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    yield* broker.subscribe({ group: "g", topics: ["things"], ...options }).pipe(
      Stream.runForEach((batch) => {
        seen.push(...texts(batch))
        return batch.acknowledge
      }),
      Effect.forkScoped,
    )
    return seen
  })

/** Waits for a condition, looked at every few milliseconds, for 20 s at most. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("5 millis") }),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error("the condition never held") }),
  )

export const soon = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.timeoutFail(effect, { duration: "20 seconds", onTimeout: () => new Error("it never happened") })
