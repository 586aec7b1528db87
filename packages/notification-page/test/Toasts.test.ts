import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { describe, expect, it } from "vitest"
import { kindOf, maximumToasts, type Toast, toastTitles, withToast } from "../src/state/Toasts.js"

const frame = (seq: number, status: OrderStatusChanged["status"]): OrderStatusChanged => ({
  type: "order-status-changed",
  seq,
  orderId: "01936f4e-8f2a-7c3b-9d4e-5f6071829304",
  userId: "1",
  amount: 500,
  status,
  reason: null,
  at: "2026-01-31T12:00:01.000Z",
})

describe("toasts", () => {
  it("say the two sentences to the letter", () => {
    expect(toastTitles).toEqual({ FINISHED: "УРА! Заказ оплачен!", CANCELLED: "Оплата не прошла :(" })
  })

  it("say of a user's own cancellation, and of a refund, that it is done, and never that a payment failed", () => {
    const cancelled = (reason: OrderStatusChanged["reason"]) => ({ ...frame(1, "CANCELLED"), reason })
    expect(kindOf(frame(1, "FINISHED"))).toBe("FINISHED")
    for (const reason of ["InsufficientFunds", "AccountNotFound", "PaymentTimeout"] as const) {
      expect(kindOf(cancelled(reason))).toBe("CANCELLED")
    }
    expect(kindOf(cancelled("CancelledByUser"))).toBe("cancelled-by-user")
    expect(kindOf({ ...frame(1, "REFUNDED"), reason: "RefundedByUser" })).toBe("refunded")
  })

  it("are the latest few in a burst", () => {
    const frames = Array.from({ length: 50 }, (_, index) => frame(index + 1, "FINISHED"))
    const shown = frames.reduce<ReadonlyArray<Toast>>(withToast, [])
    expect(shown.map(({ seq }) => seq)).toEqual([48, 49, 50].slice(-maximumToasts))
  })
})
