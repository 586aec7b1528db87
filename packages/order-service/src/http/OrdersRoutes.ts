import { HttpApiBuilder, type HttpServerRequest } from "@effect/platform"
import { SqlClient } from "@effect/sql"
import { InvalidRequest, OrderAlreadySettled, OrderNotFound } from "@tandem/contracts/http/Errors"
import { OrderApi } from "@tandem/contracts/http/OrderApi"
import {
  type HistoryEntry,
  NoFields,
  type Order,
  OrderHistory,
  OrderPage,
  PlaceOrder,
} from "@tandem/contracts/http/OrdersApi"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { paymentRequestsTopic } from "@tandem/contracts/messages/Topics"
import { OrderId } from "@tandem/contracts/OrderId"
import { nextId } from "@tandem/messaging/Ids"
import { Outbox } from "@tandem/messaging/Outbox"
import { readCommand } from "@tandem/service-kit/Commands"
import * as GroupCommit from "@tandem/service-kit/GroupCommit"
import { json } from "@tandem/service-kit/Json"
import { unavailable } from "@tandem/service-kit/Problems"
import { Clock, Effect, Option, Schema } from "effect"
import { type Asking, askCancellation, askRefund } from "../domain/OrderCommands.js"
import * as OrderCursor from "../domain/OrderCursor.js"
import type { OrderState } from "../domain/OrderSaga.js"
import { paymentRequests } from "../messages/OrderMessages.js"
import { encodeRequest } from "../messages/Unanswered.js"
import { type Asked, ask } from "../sql/Asks.js"
import { createOrders, type NewOrder } from "../sql/CreateOrders.js"
import { findHistory, findOrder, listOrders } from "../sql/Orders.js"

/** How many orders a page holds when nobody says. */
const defaultLimit = 50

/** Placing and reading orders: step 1 of the flow. Concurrent orders share a statement. */
export const OrdersRoutes = HttpApiBuilder.group(OrderApi, "orders", (handlers) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const write = yield* GroupCommit.make({
      name: "create-orders",
      run: (orders: readonly [NewOrder, ...Array<NewOrder>]) =>
        createOrders(orders).pipe(
          Effect.as(orders),
          // A payment request has a few hundred bytes.
          Effect.catchTag("MessageTooLarge", (fault) => Effect.die(fault)),
          Effect.provideService(SqlClient.SqlClient, sql),
          Effect.provideService(Outbox, outbox),
        ),
    })
    const withSql = Effect.provideService(SqlClient.SqlClient, sql)

    /** Cancellation and refund: decided under the order's lock, and asked of the payment service in the same transaction. */
    const asking = (id: string, request: HttpServerRequest.HttpServerRequest, decide: (order: OrderState) => Asking) =>
      Effect.gen(function* () {
        yield* readCommand(NoFields, {}, request)
        const asked = Schema.is(OrderId)(id)
          ? yield* Outbox.transaction(ask(id, decide, encodeRequest))
          : Option.none<Asked>()
        const { asking: outcome, order } = yield* Effect.mapError(asked, notFound)
        if (outcome._tag === "EndedOtherwise") {
          return yield* new OrderAlreadySettled({ detail: `The order is ${order.status}.` })
        }
        return json(order, { status: 202 })
      }).pipe(
        Effect.catchTag("MessageTooLarge", (fault) => Effect.die(fault)),
        Effect.provideService(Outbox, outbox),
        withSql,
        unavailable,
      )

    return handlers
      .handleRaw("createOrder", ({ request, urlParams }) =>
        Effect.gen(function* () {
          const { userId, amount } = yield* readCommand(PlaceOrder, urlParams, request)
          const id = yield* nextId
          const createdAt = new Date(yield* Clock.currentTimeMillis).toISOString()
          const message = new PaymentRequested({ orderId: id, userId, amount }, { disableValidation: true })
          yield* write({
            id,
            userId,
            amount,
            createdAt,
            request: yield* paymentRequests.encode(paymentRequestsTopic, userId, message),
          })
          const order = { id, userId, amount, status: "NEW", reason: null, createdAt, updatedAt: createdAt, version: 1 }
          return json(order, { status: 201, headers: { location: `/orders/${id}` } })
        }).pipe(unavailable),
      )
      .handle("getOrder", ({ path }) =>
        Effect.gen(function* () {
          const order = Schema.is(OrderId)(path.id) ? yield* findOrder(path.id) : Option.none<Order>()
          return yield* Effect.mapError(order, notFound)
        }).pipe(withSql, unavailable),
      )
      .handle("getOrderHistory", ({ path }) =>
        Effect.gen(function* () {
          const history = Schema.is(OrderId)(path.id)
            ? yield* findHistory(path.id)
            : Option.none<ReadonlyArray<HistoryEntry>>()
          const items = yield* Effect.mapError(history, notFound)
          return new OrderHistory({ items }, { disableValidation: true })
        }).pipe(withSql, unavailable),
      )
      .handleRaw("cancelOrder", ({ path, request }) =>
        asking(path.id, request, (order) => askCancellation(order, "CancelledByUser")),
      )
      .handleRaw("refundOrder", ({ path, request }) => asking(path.id, request, askRefund))
      .handle("listOrders", ({ urlParams: { userId, status, limit = defaultLimit, cursor } }) =>
        Effect.gen(function* () {
          const before = cursor === undefined || cursor === "" ? undefined : yield* readCursor(cursor)
          const orders = yield* listOrders({
            userId,
            // One more than asked for tells whether another page follows.
            limit: limit + 1,
            ...(status === undefined || status === "" ? {} : { status }),
            ...(before === undefined ? {} : { before }),
          })
          const items = orders.slice(0, limit)
          const last = items.at(-1)
          const next = orders.length > limit && last !== undefined ? OrderCursor.encode(last.id) : null
          return new OrderPage({ items, next }, { disableValidation: true })
        }).pipe(withSql, unavailable),
      )
  }),
)

const notFound = () => new OrderNotFound({ detail: "No order has this id." })

const readCursor = (cursor: string) =>
  Effect.mapError(
    OrderCursor.decode(cursor),
    () =>
      new InvalidRequest({
        detail: "The request is invalid.",
        errors: [{ parameter: "cursor", detail: "must be the `next` of a page of orders" }],
      }),
  )
