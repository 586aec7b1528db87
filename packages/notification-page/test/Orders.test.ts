import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import * as FastCheck from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import { fromFrame, maximumOrders, merge, noOrders, type Order, restart } from "../src/state/Orders.js"

const id = (number: number) => `01936f4e-8f2a-7${number.toString(16).padStart(3, "0")}-8000-000000000000`

const order = (number: number, status: Order["status"] = "NEW"): Order => ({
  id: id(number),
  amount: 500,
  status,
  reason: null,
  createdAt: "2026-01-31T12:00:00.000Z",
})

const frame = (number: number, status: Order["status"]): OrderStatusChanged => ({
  type: "order-status-changed",
  seq: number,
  orderId: id(number),
  userId: "1",
  amount: 500,
  status,
  reason: status === "CANCELLED" ? "InsufficientFunds" : null,
  at: "2026-01-31T12:00:01.000Z",
})

const statuses = (items: ReadonlyArray<Order>) => items.map(({ id, status }) => [id, status])

describe("the list of orders", () => {
  it("has the newest first, each once", () => {
    const orders = merge(merge(noOrders, [order(1), order(3)]), [order(2), order(3)])
    expect(orders.items.map(({ id }) => id)).toEqual([id(3), id(2), id(1)])
  })

  it("never takes a status back, whichever way and order the news comes in", () => {
    const news = [
      order(1),
      fromFrame(frame(1, "FINISHED")),
      order(1, "FINISHED"),
      fromFrame(frame(1, "REFUNDED")),
      order(2),
      fromFrame(frame(2, "CANCELLED")),
      order(3),
    ]
    FastCheck.assert(
      FastCheck.property(FastCheck.shuffledSubarray(news, { minLength: news.length }), (shuffled) => {
        const { items } = shuffled.reduce((orders, item) => merge(orders, [item]), noOrders)
        expect(statuses(items)).toEqual([
          [id(3), "NEW"],
          [id(2), "CANCELLED"],
          [id(1), "REFUNDED"],
        ])
      }),
    )
  })

  it("shows an order that was placed elsewhere, with the moment that its id holds", () => {
    const { items } = merge(noOrders, [fromFrame(frame(1, "CANCELLED"))])
    expect(items).toMatchObject([
      { status: "CANCELLED", reason: "InsufficientFunds", createdAt: new Date(0x01936f4e8f2a).toISOString() },
    ])
  })

  it("keeps the moment of creation that it knows", () => {
    const { items } = merge(merge(noOrders, [order(1)]), [fromFrame(frame(1, "FINISHED"))])
    expect(items[0]).toMatchObject({ status: "FINISHED", createdAt: order(1).createdAt, live: true })
  })

  it("leaves no gap when the first page is read anew", () => {
    const known = merge(noOrders, [order(1), order(2), order(9, "FINISHED")])
    const anew = restart(known, [order(8), order(7)], true)
    expect(anew.items.map(({ id }) => id)).toEqual([id(9), id(8), id(7)])
    expect(restart(known, [order(8), order(7)], false).items).toHaveLength(5)
    expect(restart(known, [], false).items).toHaveLength(3)
  })

  it("lets the oldest go when there are too many, and says so", () => {
    const many = Array.from({ length: maximumOrders }, (_, index) => order(index))
    const full = merge(noOrders, many)
    expect(full.trimmed).toBe(false)
    const over = merge(full, [order(maximumOrders)])
    expect(over).toMatchObject({ trimmed: true })
    expect(over.items).toHaveLength(maximumOrders)
    expect(over.items.at(-1)?.id).toBe(id(1))
  })
})
