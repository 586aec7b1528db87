import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"

/** A frame that deserves a word: the order was paid, or it was not. */
export type Toast = OrderStatusChanged & { readonly status: "FINISHED" | "CANCELLED" }

/** What a toast says, in Russian whatever the page's language. */
export const toastTitles = { FINISHED: "УРА! Заказ оплачен!", CANCELLED: "Оплата не прошла :(" } as const

/** A burst shows the latest ones only; the list has them all. */
export const maximumToasts = 3

const deserves = (frame: OrderStatusChanged): frame is Toast =>
  frame.status === "FINISHED" || frame.status === "CANCELLED"

/** The toasts with one more, when the frame deserves one; the oldest makes room. */
export const withToast = (shown: ReadonlyArray<Toast>, frame: OrderStatusChanged): ReadonlyArray<Toast> =>
  deserves(frame) ? [...shown, frame].slice(-maximumToasts) : shown
