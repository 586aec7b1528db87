import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { nextId } from "@tandem/messaging/Ids"
import * as Inbox from "@tandem/messaging/Inbox"
import { Effect, Option } from "effect"
import { expect } from "vitest"
import { encode } from "../../src/messages/PaymentMessages.js"
import * as RecentAccounts from "../../src/sql/RecentAccounts.js"
import { settleInOneStatement } from "../../src/sql/SettlePayments.js"
import { balanced, database, imbalance } from "./database.js"
import { fund, settle } from "./ledger.js"

const request = (userId: string, amount: number) =>
  Effect.map(nextId, (orderId) => new PaymentRequested({ orderId, userId, amount }))

/** What a consumer does that remembers accounts. */
const remembering = Effect.map(RecentAccounts.make, (recent) => ({
  recent,
  settle: (command: PaymentRequested) =>
    Effect.gen(function* () {
      const inbox = Inbox.entry(yield* SqlClient.SqlClient, "payment-service", [yield* nextId])
      return yield* settleInOneStatement([command], { inbox, encode, recent })
    }),
}))

const answer = Option.map(({ results: [result] }: { readonly results: ReadonlyArray<object> }) => result)

describe("settling on what is remembered of accounts", () => {
  it.scopedLive("needs no look at an account that nobody else has changed", () =>
    Effect.gen(function* () {
      const { recent, settle } = yield* remembering
      yield* fund("a", 100)
      const first = Option.getOrThrow(yield* settle(yield* request("a", 60)))
      expect(recent.recall([yield* request("a", 1)])?.accounts.get("a")).toBe(first.accounts[0]?.after)
      const second = Option.getOrThrow(yield* settle(yield* request("a", 10)))
      expect(second.accounts[0]?.before).toBe(first.accounts[0]?.after)
      expect(second.results).toMatchObject([{ _tag: "PaymentSucceeded", balanceAfter: 30 }])
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("finds out that an account has changed, and never declines by memory", () =>
    Effect.gen(function* () {
      const { settle } = yield* remembering
      yield* fund("a", 100)
      yield* settle(yield* request("a", 60))
      yield* fund("a", 1_000)
      expect(answer(yield* settle(yield* request("a", 10)))).toMatchObject(
        Option.some({ _tag: "PaymentSucceeded", balanceAfter: 1_030 }),
      )
      yield* fund("a", 1_000)
      expect(answer(yield* settle(yield* request("a", 2_000)))).toMatchObject(
        Option.some({ _tag: "PaymentSucceeded", balanceAfter: 30 }),
      )
      expect(answer(yield* settle(yield* request("a", 31)))).toMatchObject(Option.some({ _tag: "PaymentDeclined" }))
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("charges no order that somebody else has decided about, and forgets the account", () =>
    Effect.gen(function* () {
      const { recent, settle: settleRemembering } = yield* remembering
      yield* fund("a", 100)
      yield* settleRemembering(yield* request("a", 60))
      const decided = yield* request("b", 1)
      yield* settle([decided])
      const again = new PaymentRequested({ ...decided, userId: "a" })
      yield* Effect.flip(settleRemembering(again))
      expect(recent.recall([again])).toBeUndefined()
      expect(yield* settleRemembering(again)).toEqual(Option.none())
      expect(yield* imbalance).toEqual(balanced)
      const sql = yield* SqlClient.SqlClient
      expect(yield* sql`SELECT count(*)::integer AS n FROM inbox_events`).toEqual([{ n: 1 }])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("keeps the accounts that were settled last", () =>
    Effect.gen(function* () {
      const recent = yield* RecentAccounts.make
      const settled = (user: number) => {
        const account = { userId: `u${user}`, balance: 1, version: 1 }
        const changes = [{ before: account, after: account }]
        recent.remember({ accounts: changes, payments: [], transfers: [], results: [], impossible: [] })
      }
      for (let user = 0; user < 10_000; user++) settled(user)
      settled(0)
      settled(10_000)
      const known = yield* Effect.forEach([0, 1, 2, 10_000], (user) => request(`u${user}`, 1))
      expect(known.map((command) => recent.recall([command]) !== undefined)).toEqual([true, false, true, true])
    }),
  )
})
