import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { expect, it } from "@effect/vitest"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { migrate } from "@tandem/messaging/Migrations"
import type { DirectAnswer } from "@tandem/service-kit/DirectRoutes"
import { fingerprint, type KeyedCommand } from "@tandem/service-kit/idempotency/IdempotencyKey"
import { clean } from "@tandem/service-kit/idempotency/IdempotencyRetention"
import { alone, answerOnce, type KeptResponse, startAlone } from "@tandem/service-kit/idempotency/IdempotentWrites"
import { idempotencySchema } from "@tandem/service-kit/idempotency/idempotencySchema"
import { Cause, Deferred, Effect, Either, Exit, Layer, Option, Redacted } from "effect"

const database = Layer.unwrapScoped(
  Effect.gen(function* () {
    const { url } = yield* Effect.acquireRelease(
      Effect.promise(() => createTestDatabase()),
      ({ drop }) => Effect.promise(() => drop()),
    )
    const migrated = Layer.effectDiscard(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* migrate([idempotencySchema])
        yield* sql`CREATE TABLE effects (what text NOT NULL)`
      }),
    )
    return Layer.provideMerge(migrated, PgClient.layer({ url: Redacted.make(url), maxConnections: 8 }))
  }),
)

const command = (
  key: string,
  amount = 1,
  caller = "1",
  operation = "POST /things",
): { readonly keyed: KeyedCommand } => ({
  keyed: { caller, operation, key, fingerprint: fingerprint(caller, amount) },
})

const response = (what: string): KeptResponse => ({
  status: 201,
  location: `/things/${what}`,
  body: `{"what":"${what}"}`,
})

/** Writes an effect for each, under this name. */
const writing = (what: string) => (items: ReadonlyArray<{ readonly keyed: KeyedCommand }>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    for (const _ of items) yield* sql`INSERT INTO effects (what) VALUES (${what})`
    return items.map(() => Either.right(response(what)))
  })

const effects = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql<{ what: string }>`SELECT what FROM effects ORDER BY what`).map(({ what }) => what)
})

const told = <E extends { readonly _tag: string }>(results: ReadonlyArray<Either.Either<unknown, E>>) =>
  results.map((result) => (Either.isLeft(result) ? result.left._tag : result.right))

it.scopedLive("answers the same command again and does it once", () =>
  Effect.gen(function* () {
    const first = yield* answerOnce([command("a")], writing("first"))
    const second = yield* answerOnce([command("a")], writing("second"))
    expect(told(first)).toEqual([{ response: response("first"), replayed: false }])
    expect(told(second)).toEqual([{ response: response("first"), replayed: true }])
    expect(yield* effects).toEqual(["first"])
  }).pipe(Effect.provide(database)),
)

it.scopedLive("tells a key that belongs to another command, and keeps callers and operations apart", () =>
  Effect.gen(function* () {
    yield* answerOnce([command("a")], writing("first"))
    const results = yield* answerOnce(
      [command("a", 2), command("a", 1, "2"), command("a", 1, "1", "POST /others"), command("b", 2)],
      writing("second"),
    )
    const fresh = { response: response("second"), replayed: false }
    expect(told(results)).toEqual(["IdempotencyKeyReused", fresh, fresh, fresh])
    expect(yield* effects).toEqual(["first", "second", "second", "second"])
  }).pipe(Effect.provide(database)),
)

it.scopedLive("keeps no refusal and nothing of a transaction that failed", () =>
  Effect.gen(function* () {
    const refused = yield* answerOnce([command("a")], () => Effect.succeed([Either.left({ _tag: "TooMuch" as const })]))
    expect(told(refused)).toEqual(["TooMuch"])
    const failed = yield* Effect.flip(
      answerOnce([command("a")], (items) =>
        Effect.zipRight(writing("lost")(items), Effect.fail("the database went away")),
      ),
    )
    expect(failed).toBe("the database went away")
    expect(told(yield* answerOnce([command("a", 5)], writing("kept")))).toEqual([
      { response: response("kept"), replayed: false },
    ])
    expect(yield* effects).toEqual(["kept"])
  }).pipe(Effect.provide(database)),
)

it.scopedLive("does not wait for a key that another connection holds, and does not hold up its neighbours", () =>
  Effect.gen(function* () {
    const entered = yield* Deferred.make<void>()
    const leave = yield* Deferred.make<void>()
    const slow = yield* Effect.fork(
      answerOnce([command("a")], (items) =>
        Effect.zipRight(
          Deferred.succeed(entered, undefined),
          Effect.zipRight(Deferred.await(leave), writing("slow")(items)),
        ),
      ),
    )
    yield* Deferred.await(entered)
    const meanwhile = yield* answerOnce([command("a"), command("b")], writing("other"))
    expect(told(meanwhile)).toEqual(["RequestInFlight", { response: response("other"), replayed: false }])
    yield* Deferred.succeed(leave, undefined)
    yield* slow
    expect(told(yield* answerOnce([command("a")], writing("again")))).toEqual([
      { response: response("slow"), replayed: true },
    ])
    expect(yield* effects).toEqual(["other", "slow"])
  }).pipe(Effect.provide(database)),
)

it.scopedLive("lets a command run alone in its process, and again once it has ended", () =>
  Effect.gen(function* () {
    const { keyed } = command("a")
    const inner = yield* alone(keyed, Effect.either(alone(keyed, Effect.succeed("inner"))))
    expect(told([inner])).toEqual(["RequestInFlight"])
    expect(yield* alone(keyed, Effect.succeed("later"))).toBe("later")
    expect(yield* Effect.flip(alone(keyed, Effect.fail("wrong")))).toBe("wrong")
    expect(yield* alone(keyed, Effect.succeed("after a failure"))).toBe("after a failure")
  }),
)

it("lets a command run alone in its process without a fiber too, and hears each end once", () => {
  const { keyed } = command("a")
  const heard: Array<string> = []
  const hear = (name: string) => (exit: Exit.Exit<DirectAnswer, unknown>) => {
    heard.push(`${name}: ${Exit.isSuccess(exit) ? exit.value.body : String(Option.getOrThrow(failureOf(exit)))}`)
  }
  const failureOf = (exit: Exit.Failure<DirectAnswer, unknown>) =>
    Option.map(Cause.failureOption(exit.cause), (error) =>
      typeof error === "object" && error !== null && "_tag" in error ? error._tag : error,
    )
  const done = Exit.succeed(Either.right({ response: response("first"), replayed: false }))
  startAlone(
    keyed,
    (end) => {
      startAlone(keyed, () => heard.push("ran"), hear("meanwhile"))
      end(done)
    },
    hear("first"),
  )
  startAlone(keyed, (end) => end(Exit.succeed(Either.left("refused"))), hear("second"))
  startAlone(keyed, (end) => end(Exit.fail("failed")), hear("third"))
  startAlone(keyed, (end) => end(done), hear("fourth"))
  const { body } = response("first")
  expect(heard).toEqual([
    "meanwhile: RequestInFlight",
    `first: ${body}`,
    "second: refused",
    "third: failed",
    `fourth: ${body}`,
  ])
})

it.scopedLive("forgets an answer after a day, and lets its key be used anew", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* answerOnce([command("a"), command("b")], writing("first"))
    yield* sql`UPDATE idempotency_keys SET at = at - interval '24 hours'`
    expect(told(yield* answerOnce([command("a", 7)], writing("second")))).toEqual([
      { response: response("second"), replayed: false },
    ])
    expect(yield* clean).toBe(1)
    const left = yield* sql<{ key: string }>`SELECT key FROM idempotency_keys`
    expect(left).toEqual([{ key: "a" }])
  }).pipe(Effect.provide(database)),
)
