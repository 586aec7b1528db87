import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { UnreadableMessage } from "@tandem/messaging/CloudEvents"
import * as Consumer from "@tandem/messaging/Consumer"
import type * as Inbox from "@tandem/messaging/Inbox"
import type { ReceivedMessage } from "@tandem/messaging/Message"
import { Effect, Either, Option, Ref } from "effect"
import { expect } from "vitest"
import { database } from "./database.js"
import { received, scripted } from "./ScriptedBroker.js"

const decode = (message: ReceivedMessage) => {
  const id = new TextDecoder().decode(message.value ?? undefined)
  return id === "bad" ? Either.left(new UnreadableMessage({ reason: "bad" })) : Either.right({ id, payload: id })
}

type Messages = ReadonlyArray<Consumer.Incoming<string>>

/** Counts how often each message had its effect, if the condition holds. */
const count = (messages: Messages, inbox: Inbox.Entry, condition = true) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      WITH ${inbox.cte}, counted AS (
        INSERT INTO things (id, times) SELECT unnest(${messages.map(({ id }) => id)}::text[]), 1
        ON CONFLICT (id) DO UPDATE SET times = things.times + 1
      )
      SELECT ${inbox.confirm("mood", sql`${condition}::boolean`)} AS confirmed`
  })

const inTransaction = (messages: Messages) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    for (const { id } of messages) {
      yield* sql`INSERT INTO things (id, times) VALUES (${id}, 1) ON CONFLICT (id) DO UPDATE SET times = things.times + 1`
    }
  })

const things = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ id: string; times: number }>`SELECT id, times FROM things ORDER BY id`
  return Object.fromEntries(rows.map((row) => [row.id, row.times]))
})

const inbox = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ message_id: string }>`SELECT message_id FROM inbox_events ORDER BY 1`
  return rows.map((row) => row.message_id)
})

type OneStatement = NonNullable<Consumer.ConsumerOptions<string, unknown, SqlClient.SqlClient>["inOneStatement"]>

/** A consumer that notes which messages, and at which attempt, were left to its handler. */
const start = (inOneStatement: OneStatement) =>
  Effect.gen(function* () {
    const left = yield* Ref.make<ReadonlyArray<readonly [number, ...ReadonlyArray<string>]>>([])
    const { script, layer } = yield* scripted
    yield* Consumer.make({
      name: "counter",
      topics: ["things"],
      decode,
      inOneStatement,
      handler: (messages, attempt) =>
        Ref.update(left, (all) => [...all, [attempt.number, ...messages.map(({ id }) => id)] as const]).pipe(
          Effect.zipRight(inTransaction(messages)),
          Effect.as(Consumer.handled),
        ),
    }).pipe(Effect.provide(layer))
    const settle = (...values: ReadonlyArray<string>) =>
      Effect.flatten(script.deliver(values.map((value) => received(value))))
    return { settle, left: Ref.get(left) }
  })

const done = Option.some(Effect.void)

describe("a consumer's single statement", () => {
  it.scopedLive("has the messages' effect and enters them, once each, and the handler is not asked", () =>
    Effect.gen(function* () {
      const told = yield* Ref.make(0)
      const { settle, left } = yield* start((messages, entry) =>
        Effect.as(count(messages, entry), Option.some(Ref.update(told, (times) => times + messages.length))),
      )
      yield* settle("a", "b", "a")
      expect(yield* things).toEqual({ a: 1, b: 1 })
      expect(yield* inbox).toEqual(["a", "b"])
      expect(yield* left).toEqual([])
      expect(yield* Ref.get(told)).toBe(2)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("writes nothing when a message came before, and the handler gets the others", () =>
    Effect.gen(function* () {
      const { settle, left } = yield* start((messages, entry) => Effect.as(count(messages, entry), done))
      yield* settle("a")
      yield* settle("a", "b")
      expect(yield* things).toEqual({ a: 1, b: 1 })
      expect(yield* left).toEqual([[1, "b"]])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("writes nothing when its condition does not hold", () =>
    Effect.gen(function* () {
      const { settle, left } = yield* start((messages, entry) => Effect.as(count(messages, entry, false), done))
      yield* settle("a")
      expect(yield* things).toEqual({ a: 1 })
      expect(yield* inbox).toEqual(["a"])
      expect(yield* left).toEqual([[1, "a"]])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("may leave everything to the handler, and is not asked about what cannot be read", () =>
    Effect.gen(function* () {
      const asked = yield* Ref.make(0)
      const { settle, left } = yield* start(() =>
        Effect.as(
          Ref.update(asked, (times) => times + 1),
          Option.none(),
        ),
      )
      yield* settle("a")
      yield* settle("bad", "b")
      expect(yield* things).toEqual({ a: 1, b: 1 })
      expect(yield* left).toEqual([
        [0, "a"],
        [0, "b"],
      ])
      expect(yield* Ref.get(asked)).toBe(1)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("has its effect once when its answer is lost", () =>
    Effect.gen(function* () {
      const { settle, left } = yield* start((messages, entry) =>
        Effect.zipRight(count(messages, entry), Effect.fail("lost")),
      )
      yield* settle("a", "b")
      expect(yield* things).toEqual({ a: 1, b: 1 })
      expect(yield* left).toEqual([])
    }).pipe(Effect.provide(database)),
  )
})
