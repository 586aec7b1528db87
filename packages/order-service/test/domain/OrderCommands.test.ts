import { describe, expect, it } from "vitest"
import { askAgain, askCancellation, askRefund, cancellation, refund } from "../../src/domain/OrderCommands.js"
import { type OrderState, sagaState } from "../../src/domain/OrderSaga.js"

const order = (overrides: Partial<OrderState> = {}): OrderState => ({
  id: "01936f4e-8f2a-7c3b-9d4e-000000000001",
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

const states: ReadonlyArray<OrderState> = [
  order(),
  order({ cancellationAsked: true, cancelReason: "CancelledByUser" }),
  order({ status: "FINISHED" }),
  order({ status: "FINISHED", refundAsked: true }),
  order({ status: "CANCELLED", reason: "CancelledByUser", cancellationAsked: true, cancelReason: "CancelledByUser" }),
  order({ status: "CANCELLED", reason: "InsufficientFunds" }),
  order({ status: "REFUNDED", reason: "RefundedByUser", refundAsked: true }),
]

const tags = { ask: "Asked", "as before": "AsBefore", "ended otherwise": "EndedOtherwise" } as const

describe("asking", () => {
  it.each(states)(
    "a cancellation and a refund do what the tables say: $status, asked $cancellationAsked/$refundAsked",
    (state) => {
      if (state.reason !== "InsufficientFunds") {
        expect(askCancellation(state, "CancelledByUser")._tag).toBe(tags[cancellation[sagaState(state)]])
      }
      if (!state.refundAsked) expect(askRefund(state)._tag).toBe(tags[refund[sagaState(state)]])
    },
  )

  it("for a cancellation keeps the order NEW, remembers the reason, and takes a version", () => {
    const asking = askCancellation(order(), "PaymentTimeout")
    expect(asking).toMatchObject({
      _tag: "Asked",
      request: { _tag: "PaymentCancellationRequested", reason: "PaymentTimeout", amount: 5, userId: "u" },
      after: { status: "NEW", version: 2, cancellationAsked: true, cancelReason: "PaymentTimeout" },
    })
  })

  it("for the cancellation of an order that was declined is too late", () => {
    expect(askCancellation(order({ status: "CANCELLED", reason: "InsufficientFunds" }), "CancelledByUser")._tag).toBe(
      "EndedOtherwise",
    )
  })

  it("for the refund that is pending is the same again", () => {
    expect(askRefund(order({ status: "FINISHED", refundAsked: true }))._tag).toBe("AsBefore")
  })
})

describe("asking again", () => {
  it("cancels what nobody wanted to cancel, for the timeout", () => {
    expect(askAgain(order())).toMatchObject({
      request: { reason: "PaymentTimeout" },
      after: { cancelReason: "PaymentTimeout" },
    })
  })

  it("keeps the first reason of a cancellation, and changes nothing about the order", () => {
    const asked = order({ cancellationAsked: true, cancelReason: "CancelledByUser" })
    expect(askAgain(asked)).toMatchObject({ _tag: "Asked", request: { reason: "CancelledByUser" }, after: asked })
  })

  it("repeats a refund", () => {
    const asked = order({ status: "FINISHED", refundAsked: true })
    expect(askAgain(asked)).toMatchObject({ _tag: "Asked", request: { _tag: "RefundRequested" }, after: asked })
  })

  it("says nothing for an order that has its answer", () => {
    const ended = states.filter(
      ({ status, refundAsked }) => status !== "NEW" && !(status === "FINISHED" && refundAsked),
    )
    expect(ended.map((state) => askAgain(state)._tag)).toEqual(ended.map(() => "AsBefore"))
  })
})
