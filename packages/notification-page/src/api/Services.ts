import type { Account as AccountSchema } from "@tandem/contracts/http/AccountsApi"
import type { OrderPage as OrderPageSchema, Order as OrderSchema } from "@tandem/contracts/http/OrdersApi"
import { type Answer, request } from "./Fault.js"

/** An account as the payment service shows it. */
export type Account = typeof AccountSchema.Encoded

/** An order as the order service shows it. */
export type Order = typeof OrderSchema.Encoded

/** A page of orders, newest first. */
export type OrderPage = typeof OrderPageSchema.Encoded

/** The order service puts the address into the page when it serves it; without one the page was not served by it. */
const paymentUrlOf = (page: Document): string => {
  const content = page.querySelector<HTMLMetaElement>('meta[name="tandem-payment-url"]')?.content ?? ""
  return /^https?:/.test(content) ? content : "http://127.0.0.1:8081"
}

/** The order service is where the page came from. */
export const orderServiceUrl = new URL(".", document.baseURI)

/** The payment service's address as the browser reaches it. */
export const paymentServiceUrl = new URL(`${paymentUrlOf(document).replace(/\/$/, "")}/`)

const withQuery = (base: URL, path: string, query: Readonly<Record<string, string | number>>): URL => {
  const url = new URL(path, base)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value))
  return url
}

/** Places an order; `amount` in minor units. */
export const placeOrder = (userId: string, amount: number): Promise<Answer<Order>> =>
  request("orders", "POST", withQuery(orderServiceUrl, "orders", { userId, amount }))

/** A page of a user's orders, the first one without a cursor. */
export const listOrders = (userId: string, limit: number, cursor?: string): Promise<Answer<OrderPage>> =>
  request(
    "orders",
    "GET",
    withQuery(orderServiceUrl, "orders", { userId, limit, ...(cursor === undefined ? {} : { cursor }) }),
  )

/** Creates the user's account or adds to it; `amount` in minor units. */
export const topUp = (userId: string, amount: number): Promise<Answer<Account>> =>
  request("payments", "POST", withQuery(paymentServiceUrl, "accounts", { userId, amount }))

/** The user's account; the problem `account-not-found` when there is none yet. */
export const readAccount = (userId: string): Promise<Answer<Account>> =>
  request("payments", "GET", new URL(`accounts/${encodeURIComponent(userId)}`, paymentServiceUrl))

/** Where the user's notifications come from. */
export const pushUrl = (): string => {
  const url = new URL("ws", orderServiceUrl)
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:"
  return url.href
}
