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
import { fingerprint, idempotencyKey, type KeyedCommand } from "@tandem/service-kit/idempotency/IdempotencyKey"
import { alone, answerOnce, type KeptResponse, respond } from "@tandem/service-kit/idempotency/IdempotentWrites"
import { unavailable } from "@tandem/service-kit/Problems"
import { Clock, Context, Effect, Either, Option, Schema } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { type Asking, askCancellation, askRefund } from "../domain/OrderCommands.js"
import * as OrderCursor from "../domain/OrderCursor.js"
import type { OrderState } from "../domain/OrderSaga.js"
import { paymentRequests } from "../messages/OrderMessages.js"
import { encodeRequest } from "../messages/Unanswered.js"
import { type Asked, ask } from "../sql/Asks.js"
import { createOrders, type NewOrder } from "../sql/CreateOrders.js"
import { findHistory, findOrder, findOwner, listOrders } from "../sql/Orders.js"

/** How many orders a page holds when nobody says. */
const defaultLimit = 50

/** Placing and reading orders: step 1 of the flow. Concurrent orders share a statement. */
export const OrdersRoutes = HttpApiBuilder.group(OrderApi, "orders", (handlers) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const services = Context.make(SqlClient.SqlClient, sql).pipe(Context.add(Outbox, outbox))
    // A payment request has a few hundred bytes.
    const create = (orders: NonEmptyReadonlyArray<NewOrder>) =>
      Effect.catchTag(createOrders(orders), "MessageTooLarge", (fault) => Effect.die(fault))
    const write = yield* GroupCommit.make({
      name: "create-orders",
      run: (orders: NonEmptyReadonlyArray<NewOrder>) =>
        create(orders).pipe(Effect.zipRight(outbox.signal), Effect.as(orders), Effect.provide(services)),
    })
    const writeOnce = yield* GroupCommit.make({
      name: "create-keyed-orders",
      run: (orders: NonEmptyReadonlyArray<NewOrder & { readonly keyed: KeyedCommand }>) =>
        answerOnce(orders, (fresh) =>
          Effect.as(
            create(fresh),
            fresh.map((order) => Either.right(created(order))),
          ),
        ).pipe(Effect.zipLeft(outbox.signal), Effect.provide(services)),
    })
    const withSql = Effect.provideService(SqlClient.SqlClient, sql)

    /**
     * Cancellation and refund: decided under the order's lock, and asked of the payment service in the same transaction. A key
     * belongs to the order's owner.
     */
    const asking = (
      operation: string,
      id: string,
      request: HttpServerRequest.HttpServerRequest,
      decide: (order: OrderState) => Asking,
    ) =>
      Effect.gen(function* () {
        yield* readCommand(NoFields, {}, request)
        const key = yield* idempotencyKey(request)
        if (!Schema.is(OrderId)(id)) return yield* notFound()
        const asked = Effect.map(ask(id, decide, encodeRequest), answerTo)
        if (key === undefined) return respond({ response: yield* yield* Outbox.transaction(asked), replayed: false })
        const owner = yield* yield* Effect.map(findOwner(id), Either.fromOption(notFound))
        const keyed: KeyedCommand = { caller: owner, operation, key, fingerprint: fingerprint(id) }
        const [answer] = yield* alone(
          keyed,
          answerOnce([{ keyed }], () => Effect.map(asked, (outcome) => [outcome])).pipe(Effect.zipLeft(outbox.signal)),
        )
        return respond(yield* answer ?? Effect.dieMessage("a keyed command had no answer"))
      }).pipe(
        Effect.catchTag("MessageTooLarge", (fault) => Effect.die(fault)),
        Effect.provide(services),
        unavailable,
      )

    return handlers
      .handleRaw("createOrder", ({ request, urlParams }) =>
        Effect.gen(function* () {
          const { userId, amount } = yield* readCommand(PlaceOrder, urlParams, request)
          const key = yield* idempotencyKey(request)
          const id = yield* nextId
          const createdAt = new Date(yield* Clock.currentTimeMillis).toISOString()
          const message = new PaymentRequested({ orderId: id, userId, amount }, { disableValidation: true })
          const payment = yield* paymentRequests.encode(paymentRequestsTopic, userId, message)
          const order = { id, userId, amount, createdAt, request: payment }
          if (key === undefined) {
            yield* write(order)
            return respond({ response: created(order), replayed: false })
          }
          const keyed: KeyedCommand = {
            caller: userId,
            operation: "POST /orders",
            key,
            fingerprint: fingerprint(userId, amount),
          }
          return respond(yield* yield* alone(keyed, writeOnce({ ...order, keyed })))
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
        asking("POST /orders/:id/cancel", path.id, request, (order) => askCancellation(order, "CancelledByUser")),
      )
      .handleRaw("refundOrder", ({ path, request }) => asking("POST /orders/:id/refund", path.id, request, askRefund))
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

/** The answer to who has placed an order. */
const created = ({ id, userId, amount, createdAt }: NewOrder): KeptResponse => {
  const order = { id, userId, amount, status: "NEW", reason: null, createdAt, updatedAt: createdAt, version: 1 }
  return { status: 201, location: `/orders/${id}`, body: JSON.stringify(order) }
}

/** The answer to who has asked for a cancellation or a refund. */
const answerTo = (asked: Option.Option<Asked>): Either.Either<KeptResponse, OrderNotFound | OrderAlreadySettled> => {
  if (Option.isNone(asked)) return Either.left(notFound())
  const { asking, order } = asked.value
  return asking._tag === "EndedOtherwise"
    ? Either.left(new OrderAlreadySettled({ detail: `The order is ${order.status}.` }))
    : Either.right({ status: 202, body: JSON.stringify(order) })
}

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
