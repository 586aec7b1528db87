import type { OrderStatus, Reason } from "@tandem/contracts/OrderStatus"
import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"

/** An order as the page shows it. Moments are RFC 3339. */
export interface Order {
  readonly id: string
  readonly amount: number
  readonly status: OrderStatus
  readonly reason: Reason | null
  readonly createdAt: string
  /** It appeared or changed while the page was open. */
  readonly live?: boolean
}

/** A user's orders that the page knows, newest first. */
export interface Orders {
  readonly items: ReadonlyArray<Order>
  /** Older ones were let go to keep the page light. */
  readonly trimmed: boolean
}

/** How many orders the page keeps; the oldest go first. */
export const maximumOrders = 1_000

/** No order. */
export const noOrders: Orders = { items: [], trimmed: false }

/** Statuses only go forward, so of two accounts of one order the later one is known without a clock. */
const stages: Readonly<Record<OrderStatus, number>> = { NEW: 0, CANCELLED: 1, FINISHED: 1, REFUNDED: 2 }

/** Takes in orders from wherever they come and in whatever order; what is known already is never undone. */
export const merge = (orders: Orders, incoming: ReadonlyArray<Order>): Orders => {
  const byId = new Map(orders.items.map((order) => [order.id, order]))
  for (const order of incoming) {
    const known = byId.get(order.id)
    if (known === undefined) byId.set(order.id, order)
    else if (stages[order.status] > stages[known.status]) byId.set(order.id, { ...order, createdAt: known.createdAt })
  }
  const items = [...byId.values()].sort((a, b) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0))
  return { items: items.slice(0, maximumOrders), trimmed: orders.trimmed || items.length > maximumOrders }
}

/**
 * Takes in the first page anew. Known orders older than its last one go, for there may be a gap before them; `hasMore` is false
 * when the page is all there is.
 */
export const restart = (orders: Orders, page: ReadonlyArray<Order>, hasMore: boolean): Orders => {
  const oldest = hasMore ? page.at(-1) : undefined
  const kept = oldest === undefined ? orders.items : orders.items.filter((order) => order.id >= oldest.id)
  return merge({ items: kept, trimmed: false }, page)
}

/** The order that a frame tells of; it may be one that was placed elsewhere and is new to the page. */
export const fromFrame = (frame: OrderStatusChanged): Order => ({
  id: frame.orderId,
  amount: frame.amount,
  status: frame.status,
  reason: frame.reason,
  createdAt: new Date(createdAt(frame.orderId)).toISOString(),
  live: true,
})

/** When an order was placed, in ms: the first 48 bits of a UUIDv7 (RFC 9562) are that. */
const createdAt = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
