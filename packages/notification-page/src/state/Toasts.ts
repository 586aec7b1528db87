import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"

/** A frame that deserves a word: every change does. */
export type Toast = OrderStatusChanged

/** What the toasts of payment say, in Russian whatever the page's language. */
export const toastTitles = { FINISHED: "УРА! Заказ оплачен!", CANCELLED: "Оплата не прошла :(" } as const

/** What a toast says: that the payment went through or did not, or that what the user has asked for is done. */
export type ToastKind = keyof typeof toastTitles | "cancelled-by-user" | "refunded"

/** Which of these a frame is. */
export const kindOf = ({ status, reason }: OrderStatusChanged): ToastKind => {
  if (status === "REFUNDED") return "refunded"
  if (status === "FINISHED") return "FINISHED"
  return reason === "CancelledByUser" ? "cancelled-by-user" : "CANCELLED"
}

/** A burst shows the latest ones only; the list has them all. */
export const maximumToasts = 3

/** The toasts with one more; the oldest makes room. */
export const withToast = (shown: ReadonlyArray<Toast>, frame: OrderStatusChanged): ReadonlyArray<Toast> =>
  [...shown, frame].slice(-maximumToasts)
