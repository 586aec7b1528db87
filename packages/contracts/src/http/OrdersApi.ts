import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Amount, AmountFromText } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { OrderStatus, Reason } from "../OrderStatus.js"
import { Timestamp } from "../Timestamp.js"
import { UserId } from "../UserId.js"
import { Version } from "../Version.js"
import { Problems } from "./Errors.js"
import { having, keyed, located, meaning, versioned } from "./OpenApiOperations.js"

/** An order as the API shows it; `version` grows by one with every change. */
export class Order extends Schema.Class<Order>("Order")({
  id: OrderId,
  userId: UserId,
  amount: Amount,
  status: OrderStatus,
  reason: Schema.NullOr(Reason),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  version: Version,
}) {}

/** The command to place an order. */
export class PlaceOrder extends Schema.Class<PlaceOrder>("PlaceOrder")({ userId: UserId, amount: Amount }) {}

/** A page of orders, newest first. `next` is the cursor of the following page, null on the last one. */
export class OrderPage extends Schema.Class<OrderPage>("OrderPage")({
  items: Schema.Array(Order),
  next: Schema.NullOr(Schema.String),
}) {}

/** How many items a page holds: 1 to 200. */
export const Limit = Schema.String.pipe(
  Schema.pattern(/^[1-9][0-9]{0,2}$/),
  Schema.parseNumber,
  Schema.between(1, 200),
).annotations({
  message: () => ({ message: "must be an integer between 1 and 200", override: true }),
  jsonSchema: { type: "integer", minimum: 1, maximum: 200, default: 50 },
})

const createOrder = HttpApiEndpoint.post("createOrder", "/orders")
  .setUrlParams(
    Schema.Struct({
      userId: Schema.optionalWith(UserId, { exact: true }),
      amount: Schema.optionalWith(AmountFromText, { exact: true }),
    }),
  )
  .setPayload(PlaceOrder)
  .addSuccess(Order, { status: 201 })
  .addError(Problems.InvalidRequest)
  .addError(Problems.MalformedJson)
  .addError(Problems.PayloadTooLarge)
  .addError(Problems.UnsupportedMediaType)
  .addError(Problems.RequestInFlight)
  .addError(Problems.IdempotencyKeyReused)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "createOrder",
      summary: "Place an order",
      description:
        "The command comes in the query or, the same, as JSON in the body. The order starts as NEW; its payment follows.",
      transform: having(meaning({ 201: "The order, NEW" }), located, keyed),
    }),
  )

const getOrder = HttpApiEndpoint.get("getOrder", "/orders/:id")
  .setPath(Schema.Struct({ id: Schema.String }))
  .addSuccess(Order)
  .addError(Problems.OrderNotFound)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "getOrder",
      summary: "Read one order",
      description: "Its `ETag` changes with every change of the order.",
      transform: having(meaning({ 200: "The order" }), versioned),
    }),
  )

const listOrders = HttpApiEndpoint.get("listOrders", "/orders")
  .setUrlParams(
    Schema.Struct({
      userId: UserId,
      status: Schema.optionalWith(Schema.Union(OrderStatus, Schema.Literal("")), { exact: true }),
      limit: Schema.optionalWith(Limit, { exact: true }),
      cursor: Schema.optionalWith(Schema.String, { exact: true }),
    }),
  )
  .addSuccess(OrderPage)
  .addError(Problems.InvalidRequest)
  .addError(Problems.NotFound)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "listOrders",
      summary: "List a user's orders, newest first",
      description:
        "`next` leads to the page after this one, and is null on the last. A cursor is good for its user and status only.",
      transform: having(meaning({ 200: "A page of orders" })),
    }),
  )

/** A command that the path says all of: a body, where there is one, is an empty object. */
export const NoFields = Schema.Record({ key: Schema.String, value: Schema.Unknown }).pipe(
  Schema.filter((fields) => Object.keys(fields).length === 0, {
    identifier: "NoFields",
    message: () => "has an unknown field; none is known",
    jsonSchema: { type: "object", additionalProperties: false },
  }),
)

/** One entry of an order's history: the status that it took, and when. */
export class HistoryEntry extends Schema.Class<HistoryEntry>("HistoryEntry")({
  status: OrderStatus,
  reason: Schema.NullOr(Reason),
  at: Timestamp,
}) {}

/** Everything that happened to an order, oldest first; it always begins with `NEW`. */
export class OrderHistory extends Schema.Class<OrderHistory>("OrderHistory")({ items: Schema.Array(HistoryEntry) }) {}

const askOf = <const Name extends string, const Path extends `/${string}`>(name: Name, path: Path) =>
  HttpApiEndpoint.post(name, path)
    .setPath(Schema.Struct({ id: Schema.String }))
    .setPayload(NoFields)
    .addSuccess(Order, { status: 202 })
    .addError(Problems.InvalidRequest)
    .addError(Problems.MalformedJson)
    .addError(Problems.OrderNotFound)
    .addError(Problems.OrderAlreadySettled)
    .addError(Problems.PayloadTooLarge)
    .addError(Problems.UnsupportedMediaType)
    .addError(Problems.RequestInFlight)
    .addError(Problems.IdempotencyKeyReused)
    .addError(Problems.ServiceUnavailable)

const cancelOrder = askOf("cancelOrder", "/orders/:id/cancel").annotateContext(
  OpenApi.annotations({
    identifier: "cancelOrder",
    summary: "Ask for an order's cancellation",
    description:
      "202: it is asked, and the order stays NEW until the answer, then ends CANCELLED. The same again while it is pending or was " +
      "granted. 409 when the order ended otherwise.",
    transform: having(meaning({ 202: "The order; its cancellation is asked" }), keyed),
  }),
)

const refundOrder = askOf("refundOrder", "/orders/:id/refund").annotateContext(
  OpenApi.annotations({
    identifier: "refundOrder",
    summary: "Ask for a finished order's refund",
    description:
      "202: it is asked, and the order is REFUNDED once the money is back. The same again while it is pending or was granted. 409 when " +
      "the order is not FINISHED.",
    transform: having(meaning({ 202: "The order; its refund is asked" }), keyed),
  }),
)

const getOrderHistory = HttpApiEndpoint.get("getOrderHistory", "/orders/:id/history")
  .setPath(Schema.Struct({ id: Schema.String }))
  .addSuccess(OrderHistory)
  .addError(Problems.OrderNotFound)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "getOrderHistory",
      summary: "Read what happened to an order, oldest first",
      description: "Each status that the order took, when, and why; the first is NEW.",
      transform: having(meaning({ 200: "What happened to the order" }), versioned),
    }),
  )

/** Placing, reading, cancelling and refunding orders. */
export const OrdersApi = HttpApiGroup.make("orders")
  .add(createOrder)
  .add(getOrder)
  .add(listOrders)
  .add(cancelOrder)
  .add(refundOrder)
  .add(getOrderHistory)
