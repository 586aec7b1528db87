import type { Account as AccountSchema, TransferPage as TransferPageSchema } from "@tandem/contracts/http/AccountsApi"
import type {
  OrderHistory as OrderHistorySchema,
  OrderPage as OrderPageSchema,
  Order as OrderSchema,
} from "@tandem/contracts/http/OrdersApi"
import { type Answer, command, read } from "./Fault.js"

/** An account as the payment service shows it. */
export type Account = typeof AccountSchema.Encoded

/** An order as the order service shows it. */
export type Order = typeof OrderSchema.Encoded

/** A page of orders, newest first. */
export type OrderPage = typeof OrderPageSchema.Encoded

/** What happened to an order. */
export type OrderHistory = typeof OrderHistorySchema.Encoded

/** A page of movements on an account. */
export type TransferPage = typeof TransferPageSchema.Encoded

/** One of them. */
export type Transfer = TransferPage["items"][number]

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
  command("orders", withQuery(orderServiceUrl, "orders", { userId, amount }))

/** Asks for an order's cancellation or refund; answers the order as it is until then. */
export const askFor = (what: "cancel" | "refund", orderId: string): Promise<Answer<Order>> =>
  command("orders", new URL(`orders/${orderId}/${what}`, orderServiceUrl))

/** A page of a user's orders, the first one without a cursor. */
export const listOrders = (userId: string, limit: number, cursor?: string): Promise<Answer<OrderPage>> =>
  read("orders", withQuery(orderServiceUrl, "orders", { userId, limit, ...(cursor === undefined ? {} : { cursor }) }))

/** What happened to an order, oldest first. */
export const readHistory = (orderId: string): Promise<Answer<OrderHistory>> =>
  read("orders", new URL(`orders/${orderId}/history`, orderServiceUrl))

/** Creates the user's account or adds to it; `amount` in minor units. */
export const topUp = (userId: string, amount: number): Promise<Answer<Account>> =>
  command("payments", withQuery(paymentServiceUrl, "accounts", { userId, amount }))

/** The user's account; the problem `account-not-found` when there is none yet. */
export const readAccount = (userId: string): Promise<Answer<Account>> =>
  read("payments", new URL(`accounts/${encodeURIComponent(userId)}`, paymentServiceUrl))

/** The latest movements on the user's account, newest first. */
export const listTransfers = (userId: string, limit: number, cursor?: string): Promise<Answer<TransferPage>> =>
  read(
    "payments",
    withQuery(paymentServiceUrl, `accounts/${encodeURIComponent(userId)}/transfers`, {
      limit,
      ...(cursor === undefined ? {} : { cursor }),
    }),
  )

/** Opens one stream of notifications, where the service asks who is calling. */
export const getTicket = async (): Promise<string> => {
  const { body } = await command<{ readonly ticket: string }>("orders", new URL("push-tickets", orderServiceUrl))
  if (body === undefined) throw new Error("no ticket")
  return body.ticket
}
