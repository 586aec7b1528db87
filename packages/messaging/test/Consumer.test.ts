import { SqlClient, SqlError } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { UnreadableMessage } from "@tandem/messaging/CloudEvents"
import * as Consumer from "@tandem/messaging/Consumer"
import type { ReceivedMessage } from "@tandem/messaging/Message"
import { Deferred, Effect, Either, Layer, Ref } from "effect"
import { expect } from "vitest"
import { database, until } from "./database.js"
import { received, scripted } from "./ScriptedBroker.js"

/** A message is `id` or `id:what`; `bad` cannot be read. */
const decode = (message: ReceivedMessage) => {
  const [id = "", payload = ""] = new TextDecoder().decode(message.value ?? undefined).split(":")
  return id === "bad" ? Either.left(new UnreadableMessage({ reason: "bad" })) : Either.right({ id, payload })
}

const nothingMore = { rejected: [], afterCommit: Effect.void }

const count = (messages: ReadonlyArray<Consumer.Incoming<string>>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    for (const message of messages) {
      yield* sql`INSERT INTO things (id, times) VALUES (${message.id}, 1)
        ON CONFLICT (id) DO UPDATE SET times = things.times + 1`
    }
  })

const things = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ id: string; times: number }>`SELECT id, times FROM things ORDER BY id`
  return Object.fromEntries(rows.map((row) => [row.id, row.times]))
})

const deadLetters = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ value: Buffer; error: string; partition: number }>`
    SELECT value, error, partition FROM dead_letters ORDER BY id`
})

const inbox = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ message_id: string }>`SELECT message_id FROM inbox_events ORDER BY 1`
  return rows.map((row) => row.message_id)
})

const start = <E>(handler: Consumer.ConsumerOptions<string, E, SqlClient.SqlClient>["handler"]) =>
  Effect.gen(function* () {
    const { script, layer } = yield* scripted
    const consumer = yield* Consumer.make({ name: "counter", topics: ["things"], decode, handler }).pipe(
      Effect.provide(layer),
    )
    const settle = (...values: ReadonlyArray<string>) =>
      Effect.flatten(script.deliver(values.map((value) => received(value))))
    return { consumer, settle, script }
  })

describe("Consumer", () => {
  it.scopedLive("gives each message its effect once, within a batch and across batches", () =>
    Effect.gen(function* () {
      const { settle } = yield* start((messages) => Effect.as(count(messages), nothingMore))
      yield* settle("a", "b", "a")
      yield* settle("b", "c")
      expect(yield* things).toEqual({ a: 1, b: 1, c: 1 })
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("sets unreadable and rejected messages aside, outside of the inbox, and goes on", () =>
    Effect.gen(function* () {
      const { settle } = yield* start((messages) =>
        Effect.as(count(messages.filter((message) => message.payload !== "impossible")), {
          ...nothingMore,
          rejected: messages
            .filter((message) => message.payload === "impossible")
            .map((message) => ({ message, reason: "impossible" })),
        }),
      )
      yield* settle("a", "bad", "b:impossible", "c")
      expect(yield* things).toEqual({ a: 1, c: 1 })
      expect((yield* deadLetters).map((row) => [row.value.toString(), row.error])).toEqual([
        ["bad", "bad"],
        ["b:impossible", "impossible"],
      ])
      expect(yield* inbox).toEqual(["a", "c"])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("tries a technical fault again until it passes, without a trace of the failed attempts", () =>
    Effect.gen(function* () {
      const numbers = yield* Ref.make<ReadonlyArray<number>>([])
      const { settle } = yield* start((messages, attempt) =>
        Effect.gen(function* () {
          yield* Ref.update(numbers, (all) => [...all, attempt.number])
          yield* count(messages)
          if (attempt.number < 3) return yield* Effect.fail("not yet")
          return nothingMore
        }),
      )
      yield* settle("a")
      expect(yield* Ref.get(numbers)).toEqual([0, 1, 2, 3])
      expect(yield* things).toEqual({ a: 1 })
      expect(yield* deadLetters).toEqual([])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("survives the death of its connection in the middle of a transaction", () =>
    Effect.gen(function* () {
      const { settle } = yield* start((messages, attempt) =>
        Effect.gen(function* () {
          yield* count(messages)
          const sql = yield* SqlClient.SqlClient
          if (attempt.number === 0) yield* sql`SELECT pg_terminate_backend(pg_backend_pid())`
          return nothingMore
        }),
      )
      yield* settle("a", "b")
      expect(yield* things).toEqual({ a: 1, b: 1 })
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("finds the one message whose data fails, buries it, and settles the rest", () =>
    Effect.gen(function* () {
      const { settle, consumer } = yield* start((messages) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* count(messages)
          for (const message of messages) {
            if (message.payload === "overflow") yield* sql`SELECT 2147483647::integer + 1`
            if (message.payload === "throw") throw new Error("a bug")
          }
          return nothingMore
        }),
      )
      yield* settle("a", "b:overflow", "c", "d:throw", "e")
      expect(yield* things).toEqual({ a: 1, c: 1, e: 1 })
      expect((yield* deadLetters).map((row) => row.value.toString())).toEqual(["b:overflow", "d:throw"])
      yield* consumer.check
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("stops and says so when message after message fails on its data", () =>
    Effect.gen(function* () {
      const { script, consumer } = yield* start(() =>
        Effect.fail(new SqlError.SqlError({ cause: { code: "22003" }, message: "out of range" })),
      )
      yield* script.deliver(Array.from({ length: 150 }, (_, index) => received(`m${index}`)))
      yield* until(Effect.map(Effect.either(consumer.check), Either.isLeft))
      expect((yield* deadLetters).length).toBe(100)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("runs afterCommit after the commit, and not for what was seen before", () =>
    Effect.gen(function* () {
      const told = yield* Ref.make<ReadonlyArray<string>>([])
      const outside = yield* Layer.build(Layer.succeed(SqlClient.SqlClient, yield* SqlClient.SqlClient))
      const { settle } = yield* start((messages) =>
        Effect.as(count(messages), {
          rejected: [],
          afterCommit: Effect.orDie(things).pipe(
            Effect.flatMap((committed) => Ref.update(told, (all) => [...all, Object.keys(committed).join()])),
            Effect.provide(outside),
          ),
        }),
      )
      yield* settle("a")
      yield* settle("a")
      yield* settle("b")
      expect(yield* Ref.get(told)).toEqual(["a", "a,b"])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("works on several partitions at once when asked, one batch of each at a time", () =>
    Effect.gen(function* () {
      const { script, layer } = yield* scripted
      const release = yield* Deferred.make<void>()
      yield* Consumer.make({
        name: "counter",
        topics: ["things"],
        decode,
        concurrency: 2,
        handler: (messages) =>
          Effect.gen(function* () {
            if (messages.some(({ id }) => id === "slow")) yield* Deferred.await(release)
            yield* count(messages)
            return Consumer.handled
          }),
      }).pipe(Effect.provide(layer))
      const slow = yield* script.deliver([received("slow", { partition: 0 })])
      yield* Effect.flatten(script.deliver([received("quick", { partition: 1 })]))
      expect(yield* things).toEqual({ quick: 1 })
      yield* Deferred.succeed(release, undefined)
      yield* slow
      expect(yield* things).toEqual({ quick: 1, slow: 1 })
    }).pipe(Effect.provide(database)),
  )
})
