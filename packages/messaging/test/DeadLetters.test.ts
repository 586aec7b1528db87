import { SqlClient, SqlError } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { describe, it } from "@effect/vitest"
import { UnreadableMessage } from "@tandem/messaging/CloudEvents"
import * as Consumer from "@tandem/messaging/Consumer"
import * as DeadLetters from "@tandem/messaging/DeadLetters"
import type { ReceivedMessage } from "@tandem/messaging/Message"
import { Deferred, Effect, Either, Layer, Ref } from "effect"
import { expect } from "vitest"
import { database, until } from "./database.js"
import { received, scripted } from "./ScriptedBroker.js"

/** What the consumer can do by now: a newer version of the service may read and do more. */
interface Ability {
  readonly reads: boolean
  readonly handles: Consumer.ConsumerOptions<string, unknown, SqlClient.SqlClient>["handler"]
}

const counting: Ability["handles"] = (messages) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    for (const { id } of messages) {
      yield* sql`INSERT INTO things (id, times) VALUES (${id}, 1) ON CONFLICT (id) DO UPDATE SET times = things.times + 1`
    }
    return Consumer.handled
  })

const rejecting: Ability["handles"] = (messages) =>
  Effect.succeed({ rejected: messages.map((message) => ({ message, reason: "no" })), afterCommit: Effect.void })

/** A consumer whose ability the test changes as it goes. */
const start = (ability: Ref.Ref<Ability>) =>
  Effect.gen(function* () {
    const { script, layer } = yield* scripted
    const run = yield* Effect.runtime<never>()
    yield* Consumer.make<string, unknown, SqlClient.SqlClient>({
      name: "counter",
      topics: ["things"],
      decode: (message: ReceivedMessage) => {
        const id = new TextDecoder().decode(message.value ?? undefined)
        return Effect.runSync(Effect.provide(Ref.get(ability), run.context)).reads
          ? Either.right({ id, payload: id })
          : Either.left(new UnreadableMessage({ reason: "not yet" }))
      },
      handler: (messages, attempt) => Effect.flatMap(Ref.get(ability), ({ handles }) => handles(messages, attempt)),
    }).pipe(Effect.provide(layer))
    return (value: string) => Effect.flatten(script.deliver([received(value)]))
  })

const things = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ id: string; times: number }>`SELECT id, times FROM things ORDER BY id`
  return Object.fromEntries(rows.map(({ id, times }) => [id, times]))
})

const all = DeadLetters.list({ limit: 100 })
const statuses = Effect.map(all, (letters) => letters.map(({ status }) => status))
const done = (id: string) => Effect.map(DeadLetters.actions(id), (actions) => actions.map(({ action }) => action))

/** One letter, set aside because it could not be read. */
const oneLetter = Effect.gen(function* () {
  const ability = yield* Ref.make<Ability>({ reads: false, handles: counting })
  const settle = yield* start(ability)
  yield* settle("a")
  const [letter] = yield* all
  if (letter === undefined) return yield* Effect.dieMessage("there is no letter")
  return { ability, settle, letter }
})

describe("a dead letter", () => {
  it.scopedLive("is replayed by its consumer once it can be, has its effect once, and never comes to life again", () =>
    Effect.gen(function* () {
      const { ability, settle, letter } = yield* oneLetter
      expect(yield* DeadLetters.requestReplay([letter.id], "ada")).toEqual([letter.id])
      yield* until(Effect.map(done(letter.id), (actions) => actions.includes("replay-failed")))
      expect(yield* statuses).toEqual(["pending"])
      yield* Ref.set(ability, { reads: true, handles: counting })
      yield* DeadLetters.requestReplay([letter.id], "ada")
      yield* until(Effect.map(statuses, ([status]) => status === "replayed"))
      expect(yield* things).toEqual({ a: 1 })
      // Asked again, delivered again under its id, delivered again at its offset: nothing happens.
      expect(yield* DeadLetters.requestReplay([letter.id], "bob")).toEqual([])
      expect(yield* DeadLetters.discard([letter.id], "bob", "why not")).toEqual([])
      yield* settle("a")
      expect(yield* things).toEqual({ a: 1 })
      expect(yield* done(letter.id)).toEqual(["replay-requested", "replay-failed", "replay-requested", "replayed"])
      const [first] = yield* DeadLetters.actions(letter.id)
      expect(first?.actor).toBe("ada")
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("that had its effect by another way is replayed without a second one", () =>
    Effect.gen(function* () {
      const { ability, settle, letter } = yield* oneLetter
      yield* Ref.set(ability, { reads: true, handles: counting })
      yield* settle("a")
      yield* DeadLetters.requestReplay([letter.id], "ada")
      yield* until(Effect.map(statuses, ([status]) => status === "replayed"))
      expect(yield* things).toEqual({ a: 1 })
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("whose replay is rejected, or fails on its data, is pending again with the new error", () =>
    Effect.gen(function* () {
      const { ability, letter } = yield* oneLetter
      yield* Ref.set(ability, { reads: true, handles: rejecting })
      yield* DeadLetters.requestReplay([letter.id], "ada")
      yield* until(Effect.map(all, ([now]) => now?.status === "pending" && now.error === "no"))
      yield* Ref.set(ability, {
        reads: true,
        handles: (messages, attempt) =>
          Effect.zipRight(
            counting(messages, attempt),
            Effect.fail(new SqlError.SqlError({ cause: { code: "22003" }, message: "out of range" })),
          ),
      })
      yield* DeadLetters.requestReplay([letter.id], "ada")
      yield* until(Effect.map(all, ([now]) => now?.status === "pending" && now.attempts === 3))
      expect(yield* things).toEqual({})
      // Neither attempt left an id in the inbox: the next one finds the message new.
      yield* Ref.set(ability, { reads: true, handles: counting })
      yield* DeadLetters.requestReplay([letter.id], "ada")
      yield* until(Effect.map(statuses, ([status]) => status === "replayed"))
      expect(yield* things).toEqual({ a: 1 })
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("whose replay dies in the middle stays marked, and leaves no effect behind until it is through", () =>
    Effect.gen(function* () {
      const { ability, letter } = yield* oneLetter
      const sql = yield* SqlClient.SqlClient
      const deaths = yield* Ref.make(2)
      yield* Ref.set(ability, {
        reads: true,
        handles: (messages, attempt) =>
          Effect.gen(function* () {
            const result = yield* counting(messages, attempt)
            if ((yield* Ref.getAndUpdate(deaths, (left) => left - 1)) > 0) {
              yield* sql`SELECT pg_terminate_backend(pg_backend_pid())`
            }
            return result
          }),
      })
      yield* DeadLetters.requestReplay([letter.id], "ada")
      yield* until(Effect.map(statuses, ([status]) => status === "replayed"))
      expect(yield* things).toEqual({ a: 1 })
      expect(yield* Ref.get(deaths)).toBe(-1)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("is replayed by one of two instances", () =>
    Effect.gen(function* () {
      const { ability, letter } = yield* oneLetter
      const started = yield* Ref.make(0)
      const go = yield* Deferred.make<void>()
      yield* Ref.set(ability, {
        reads: true,
        handles: (messages, attempt) =>
          Ref.update(started, (count) => count + 1).pipe(
            Effect.zipRight(Deferred.await(go)),
            Effect.zipRight(counting(messages, attempt)),
          ),
      })
      const other = yield* Layer.build(Layer.fresh(PgClient.layer((yield* PgClient.PgClient).config)))
      yield* Effect.provide(start(ability), other)
      yield* DeadLetters.requestReplay([letter.id], "ada")
      yield* until(Effect.map(Ref.get(started), (count) => count > 0))
      // Longer than both look for letters.
      yield* Effect.sleep("2500 millis")
      expect(yield* Ref.get(started)).toBe(1)
      yield* Deferred.succeed(go, undefined)
      yield* until(Effect.map(statuses, ([status]) => status === "replayed"))
      expect(yield* things).toEqual({ a: 1 })
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("is discarded for a reason, for ever, by psql too", () =>
    Effect.gen(function* () {
      const { letter } = yield* oneLetter
      const sql = yield* SqlClient.SqlClient
      expect(yield* DeadLetters.discard([letter.id], "ada", "a test")).toEqual([letter.id])
      const [action] = yield* DeadLetters.actions(letter.id)
      expect(action).toMatchObject({ action: "discarded", actor: "ada", reason: "a test" })
      const refused = [
        sql`UPDATE dead_letters SET status = 'pending', resolved_at = NULL WHERE id = ${letter.id}::bigint`,
        sql`INSERT INTO dead_letter_actions (letter_id, action, actor) VALUES (${letter.id}::bigint, 'discarded', 'ada')`,
        sql`INSERT INTO dead_letter_actions (letter_id, action, actor) VALUES (${letter.id}::bigint, 'replayed', '')`,
      ]
      for (const statement of refused) expect(Either.isLeft(yield* Effect.either(statement))).toBe(true)
      expect(yield* statuses).toEqual(["discarded"])
    }).pipe(Effect.provide(database)),
  )
})
