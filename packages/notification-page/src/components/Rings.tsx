import type { OrderStatus } from "@tandem/contracts/OrderStatus"

/** The mark of the house: two rings, linked. */
export const Rings = ({ class: name }: { readonly class: string }) => (
  <svg class={name} viewBox="0 0 40 24" aria-hidden="true">
    <circle cx="13" cy="12" r="9.5" />
    <circle cx="27" cy="12" r="9.5" />
  </svg>
)

const marks: Readonly<Record<OrderStatus, string | undefined>> = {
  NEW: undefined,
  FINISHED: "M23 12.2l2.8 2.8 5.2-5.6",
  CANCELLED: "M24 9l6 6m0-6l-6 6",
  REFUNDED: "M31 12h-7.5m3-3.2L23.3 12l3.2 3.2",
}

/** How far an order is: the first ring is the order, the second its payment. Decoration beside the words. */
export const StatusRings = ({ status }: { readonly status: OrderStatus }) => {
  const mark = marks[status]
  return (
    <svg class="status-rings" viewBox="0 0 40 24" aria-hidden="true">
      <circle class="order-ring" cx="13" cy="12" r="8.5" />
      <circle class="payment-ring" cx="27" cy="12" r="9.5" />
      {mark === undefined ? null : <path class="mark" d={mark} />}
    </svg>
  )
}
