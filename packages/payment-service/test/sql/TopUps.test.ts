import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { nextId } from "@tandem/messaging/Ids"
import { Effect } from "effect"
import { isNonEmptyArray } from "effect/Array"
import { expect } from "vitest"
import { topUp } from "../../src/sql/TopUps.js"
import { balanced, database, imbalance } from "./database.js"

const at = "2026-01-01T00:00:00.000Z"

const put = (...commands: ReadonlyArray<readonly [userId: string, amount: number]>) =>
  Effect.gen(function* () {
    const topUps = yield* Effect.forEach(commands, ([userId, amount]) =>
      Effect.map(nextId, (id) => ({ id, userId, amount })),
    )
    return isNonEmptyArray(topUps) ? yield* topUp(topUps, at) : []
  })

describe("topping up", () => {
  it.scopedLive("makes the account with the first and adds the rest, each with its own line", () =>
    Effect.gen(function* () {
      const first = yield* put(["a", 5], ["b", 1], ["a", 7])
      expect(first.map(({ account, created }) => [account.userId, account.balance, account.version, created])).toEqual([
        ["a", 5, 1, true],
        ["b", 1, 1, true],
        ["a", 12, 2, false],
      ])
      const [second] = yield* put(["a", 8])
      expect(second).toMatchObject({ account: { balance: 20, version: 3 }, created: false })
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("loses nothing and locks nobody out when many come at once", () =>
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

  it.scopedLive("stops at what a balance can hold exactly, and writes nothing then", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* put(["a", 1])
      yield* sql`UPDATE accounts SET funded = 9007199254740990`
      const fault = yield* Effect.flip(put(["b", 1], ["a", 2]))
      expect(fault._tag).toBe("FundingLimitReached")
      expect(yield* sql`SELECT user_id FROM accounts`).toHaveLength(1)
      const [last] = yield* put(["a", 1])
      expect(last?.account.balance).toBe(2)
    }).pipe(Effect.provide(database)),
  )
})
