import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { formatMoney } from "../money/Money.js"
import type { Words } from "../words/Words.js"
import { kindOf, toastTitles } from "./Toasts.js"

/** Whether the desktop may be asked to show notices; false where it cannot, and once the user has decided. */
export const mayAsk = (): boolean => "Notification" in window && Notification.permission === "default"

/** Asks the user; resolves when there is a decision. */
export const ask = (): Promise<unknown> => Notification.requestPermission()

/** Shows a change on the desktop when nobody looks at the page and the user has allowed it. One order has one notice. */
export const show = (frame: OrderStatusChanged, words: Words): void => {
  if (document.visibilityState === "visible" || !("Notification" in window) || Notification.permission !== "granted")
    return
  const kind = kindOf(frame)
  const title = kind === "FINISHED" || kind === "CANCELLED" ? toastTitles[kind] : words.toast[kind]
  const reason = frame.reason === null ? "" : `: ${words.reason[frame.reason]}`
  try {
    const notice = new Notification(title, {
      body: `${words.orderFor(formatMoney(frame.amount, words.locale))}${reason}`,
      tag: frame.orderId,
    })
    notice.onclick = () => window.focus()
  } catch {
    // Phones show notices by a service worker only, which this page does without.
  }
}
