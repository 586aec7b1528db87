import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { nextId } from "@tandem/messaging/Ids"
import { Clock, Effect } from "effect"
import { expect } from "vitest"
import { database } from "./database.js"
import { fund, settleOnce } from "./ledger.js"

const noon = "2026-01-01T12:00:00.000Z"
const earlier = "2026-01-01T11:59:59.000Z"

/** A settlement of an instance whose clock is behind, or which waited for the account's row. */
const settleAt = (at: string, command: PaymentRequest) =>
  settleOnce([command]).pipe(
    Effect.withClock(Object.assign(Clock.make(), { currentTimeMillis: Effect.succeed(Date.parse(at)) })),
  )

const updatedAt = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ account: Date; payment: Date | null }>`
    SELECT updated_at AS account, (SELECT updated_at FROM payments) AS payment FROM accounts`
  return { account: rows[0]?.account.toISOString(), payment: rows[0]?.payment?.toISOString() }
})

describe("clocks that disagree", () => {
  it.scopedLive("never take an account's time of change back, by a top-up or a settlement", () =>
    Effect.gen(function* () {
      yield* fund("a", 100, noon)
      const second = yield* fund("a", 100, earlier)
      expect(second.account).toMatchObject({ createdAt: noon, updatedAt: noon })
      yield* settleAt(earlier, new PaymentRequested({ orderId: yield* nextId, userId: "a", amount: 1 }))
      expect((yield* updatedAt).account).toBe(noon)
      const sql = yield* SqlClient.SqlClient
      expect(yield* sql`SELECT DISTINCT at FROM transfers`).toEqual([{ at: new Date(noon) }])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("never take a payment's time of change back", () =>
    Effect.gen(function* () {
      yield* fund("a", 100, earlier)
      const order = { orderId: yield* nextId, userId: "a", amount: 1 }
      yield* settleAt(noon, new PaymentRequested(order))
      yield* settleAt(earlier, new RefundRequested({ ...order, reason: "RefundedByUser" }))
      expect(yield* updatedAt).toEqual({ account: noon, payment: noon })
    }).pipe(Effect.provide(database)),
  )
})
