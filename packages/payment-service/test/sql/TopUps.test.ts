import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { nextId } from "@tandem/messaging/Ids"
import { Effect, Either } from "effect"
import { isNonEmptyArray } from "effect/Array"
import { expect } from "vitest"
import { FundingLimitReached, type ToppedUp, topUp } from "../../src/sql/TopUps.js"
import { balanced, database, imbalance } from "./database.js"
import { fund } from "./ledger.js"

const at = "2026-01-01T00:00:00.000Z"

const put = (...commands: ReadonlyArray<readonly [userId: string, amount: number]>) =>
  Effect.gen(function* () {
    const topUps = yield* Effect.forEach(commands, ([userId, amount]) =>
      Effect.map(nextId, (id) => ({ id, userId, amount })),
    )
    return isNonEmptyArray(topUps) ? yield* topUp(topUps, at) : []
  })

/** All that an account may ever be topped up with. */
const limit = Number.MAX_SAFE_INTEGER

const balanceAfter = Either.match({
  onLeft: () => "refused" as const,
  onRight: ({ account }: ToppedUp) => account.balance,
})

const balances = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`SELECT user_id AS "userId", balance, version FROM accounts ORDER BY user_id`,
)

describe("top-ups", () => {
  it.scopedLive("make the account with the first and add the rest, each with its own line", () =>
    Effect.gen(function* () {
      const first = yield* Effect.all(yield* put(["a", 5], ["b", 1], ["a", 7]))
      expect(first.map(({ account, created }) => [account.userId, account.balance, account.version, created])).toEqual([
        ["a", 5, 1, true],
        ["b", 1, 1, true],
        ["a", 12, 2, false],
      ])
      expect(yield* fund("a", 8)).toMatchObject({ account: { balance: 20, version: 3 }, created: false })
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("lose nothing and lock nobody out when many come at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const users = ["a", "b", "c"]
      yield* Effect.forEach(
        Array.from({ length: 90 }, (_, index) => index),
        (index) =>
          put([users[index % 3] ?? "a", 1], [users[(index + 1) % 3] ?? "a", 2], [users[(index + 2) % 3] ?? "a", 3]),
        { concurrency: 12, discard: true },
      )
      const rows = yield* sql<{ balance: string; version: string }>`SELECT balance, version FROM accounts`
      expect(rows).toEqual(users.map(() => ({ balance: "180", version: "90" })))
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("stop at the funding limit one after the other: what fits goes in, what does not harms nobody", () =>
    Effect.gen(function* () {
      yield* fund("full", limit - 5)
      const outcomes = yield* put(["full", 3], ["b", 1], ["full", 3], ["full", 2], ["b", 1], ["full", 1])
      expect(outcomes.map(balanceAfter)).toEqual([limit - 2, 1, "refused", limit, 2, "refused"])
      expect(yield* put(["full", 1])).toEqual([Either.left(new FundingLimitReached())])
      expect(yield* balances).toEqual([
        { userId: "b", balance: "2", version: "2" },
        { userId: "full", balance: String(limit), version: "3" },
      ])
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("share what is left below the limit exactly, when many come at once", () =>
    Effect.gen(function* () {
      yield* fund("full", limit - 20)
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 16 }, (_, n) => n),
        (n) => put(["full", 1], [`u${n % 3}`, 1], ["full", 1], ["full", 1]),
        { concurrency: 8 },
      )
      const full = outcomes
        .flat()
        .map(balanceAfter)
        .filter((_, n) => n % 4 !== 1)
      expect(full.filter((outcome) => outcome !== "refused").toSorted()).toEqual(
        Array.from({ length: 20 }, (_, n) => limit - 19 + n),
      )
      expect(yield* balances).toMatchObject([
        { userId: "full", balance: String(limit) },
        { userId: "u0", balance: "6" },
        { userId: "u1", balance: "5" },
        { userId: "u2", balance: "5" },
      ])
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )
})
