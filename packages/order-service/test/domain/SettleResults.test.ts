import { PaymentCancelled } from "@tandem/contracts/messages/PaymentCancelled"
import { PaymentDeclined } from "@tandem/contracts/messages/PaymentDeclined"
import { PaymentRefunded } from "@tandem/contracts/messages/PaymentRefunded"
import { PaymentSucceeded } from "@tandem/contracts/messages/PaymentSucceeded"
import type { PaymentResult } from "@tandem/contracts/messages/Topics"
import { FastCheck as fc } from "effect"
import { describe, expect, it } from "vitest"
import { type OrderState, sagaState, transitions } from "../../src/domain/OrderSaga.js"
import { settleResults } from "../../src/domain/SettleResults.js"

const id = (n: number) => `01936f4e-8f2a-7c3b-9d4e-00000000000${n}`

const order = (n: number, overrides: Partial<OrderState> = {}): OrderState => ({
  id: id(n),
  userId: "u",
  amount: 5,
  status: "NEW",
  reason: null,
  version: 1,
  cancellationAsked: false,
  cancelReason: null,
  refundAsked: false,
  ...overrides,
})

const result = (tag: PaymentResult["_tag"], n: number, overrides: { userId?: string; amount?: number } = {}) => {
  const fields = { orderId: id(n), userId: "u", amount: 5, ...overrides }
  switch (tag) {
    case "PaymentSucceeded":
      return new PaymentSucceeded({ ...fields, balanceAfter: 0 })
    case "PaymentDeclined":
      return new PaymentDeclined({ ...fields, reason: "InsufficientFunds" })
    case "PaymentCancelled":
      return new PaymentCancelled({ ...fields, reason: "CancelledByUser" })
    case "PaymentRefunded":
      return new PaymentRefunded({ ...fields, reason: "RefundedByUser" })
  }
}

const known = (...orders: ReadonlyArray<OrderState>) => new Map(orders.map((state) => [state.id, state]))

const tags = ["PaymentSucceeded", "PaymentDeclined", "PaymentCancelled", "PaymentRefunded"] as const
const someResult = fc
  .record({
    tag: fc.constantFrom(...tags),
    n: fc.integer({ min: 0, max: 3 }),
    stranger: fc.constantFrom(false, false, true),
  })
  .map(({ tag, n, stranger }) => result(tag, n, stranger ? { userId: "v" } : {}))
const someOrders = fc
  .array(fc.record({ n: fc.integer({ min: 0, max: 3 }), cancellationAsked: fc.boolean() }), { maxLength: 4 })
  .map((orders) => known(...orders.map(({ n, cancellationAsked }) => order(n, { cancellationAsked }))))

const apply = (orders: ReadonlyMap<string, OrderState>, results: ReadonlyArray<PaymentResult>) => {
  const settlement = settleResults(orders, results)
  return {
    settlement,
    after: new Map([...orders, ...settlement.orders.map(({ after }) => [after.id, after] as const)]),
  }
}

describe("the order saga", () => {
  it("never leads back, and ends CANCELLED once a cancellation was asked", () => {
    const rank = { NEW: 0, FINISHED: 1, CANCELLED: 1, REFUNDED: 2 }
    for (const [state, row] of Object.entries(transitions)) {
      for (const next of Object.values(row)) {
        if (next === "no change") continue
        const status = state.startsWith("NEW") ? "NEW" : (state as keyof typeof rank)
        expect(rank[next]).toBeGreaterThan(rank[status])
        if (state === "NEW, cancellation asked") expect(next).toBe("CANCELLED")
      }
    }
  })

  it("finishes a paid order and cancels a declined one, with the reason", () => {
    const { settlement } = apply(known(order(1), order(2)), [
      result("PaymentSucceeded", 1),
      result("PaymentDeclined", 2),
    ])
    expect(settlement.changes).toEqual([
      { orderId: id(1), userId: "u", amount: 5, status: "FINISHED", reason: null },
      { orderId: id(2), userId: "u", amount: 5, status: "CANCELLED", reason: "InsufficientFunds" },
    ])
  })

  it("takes two steps of one order in one batch, and writes its row once", () => {
    const { settlement } = apply(known(order(1)), [result("PaymentSucceeded", 1), result("PaymentRefunded", 1)])
    expect(settlement.changes.map((change) => change.status)).toEqual(["FINISHED", "REFUNDED"])
    expect(settlement.orders).toHaveLength(1)
    expect(settlement.orders[0]?.after).toMatchObject({ status: "REFUNDED", version: 3 })
  })

  it("sets aside a result for an unknown order, another user or another amount", () => {
    const { settlement } = apply(known(order(1)), [
      result("PaymentSucceeded", 2),
      result("PaymentSucceeded", 1, { userId: "v" }),
      result("PaymentSucceeded", 1, { amount: 6 }),
    ])
    expect(settlement.impossible.map(({ index }) => index)).toEqual([0, 1, 2])
    expect(settlement.orders).toEqual([])
  })

  it("comes to the same whether a batch is settled whole, split or repeated", () => {
    fc.assert(
      fc.property(someOrders, fc.array(someResult, { maxLength: 12 }), fc.nat(12), (orders, results, cut) => {
        const whole = apply(orders, results)
        const first = apply(orders, results.slice(0, cut))
        const second = apply(first.after, results.slice(cut))
        expect(second.after).toEqual(whole.after)
        expect([...first.settlement.changes, ...second.settlement.changes]).toEqual(whole.settlement.changes)
        const reachesEnd = (state: OrderState) => ["CANCELLED", "REFUNDED"].includes(sagaState(state))
        const again = apply(whole.after, results)
        for (const state of whole.after.values()) {
          if (reachesEnd(state)) expect(again.after.get(state.id)).toEqual(state)
        }
      }),
    )
  })

  it("raises the version by one with every change, and changes nothing else of an order", () => {
    fc.assert(
      fc.property(someOrders, fc.array(someResult, { maxLength: 12 }), (orders, results) => {
        const { settlement } = apply(orders, results)
        for (const { before, after } of settlement.orders) {
          const steps = settlement.changes.filter((change) => change.orderId === before.id)
          expect(after).toEqual({
            ...before,
            status: after.status,
            reason: after.reason,
            version: before.version + steps.length,
          })
          expect(steps.at(-1)?.status).toBe(after.status)
        }
      }),
    )
  })
})
