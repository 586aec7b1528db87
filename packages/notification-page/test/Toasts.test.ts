import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { describe, expect, it } from "vitest"
import { maximumToasts, type Toast, toastTitles, withToast } from "../src/state/Toasts.js"

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

  it("come for what was paid and what was not, and for nothing else", () => {
    const frames = [frame(1, "FINISHED"), frame(2, "REFUNDED"), frame(3, "CANCELLED")]
    const shown = frames.reduce<ReadonlyArray<Toast>>(withToast, [])
    expect(shown.map(({ seq }) => seq)).toEqual([1, 3])
  })

  it("are the latest few in a burst", () => {
    const frames = Array.from({ length: 50 }, (_, index) => frame(index + 1, "FINISHED"))
    const shown = frames.reduce<ReadonlyArray<Toast>>(withToast, [])
    expect(shown.map(({ seq }) => seq)).toEqual([48, 49, 50].slice(-maximumToasts))
  })
})
