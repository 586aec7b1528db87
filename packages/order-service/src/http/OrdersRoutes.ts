import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { SqlClient, type Statement } from "@effect/sql"
import { Forbidden, NotFound, OrderAlreadySettled, OrderNotFound } from "@tandem/contracts/http/Errors"
import { OrderApi } from "@tandem/contracts/http/OrderApi"
import { NoFields, type Order, OrderPage, PlaceOrder } from "@tandem/contracts/http/OrdersApi"
import { paymentRequestsTopic } from "@tandem/contracts/messages/Topics"
import { OrderId } from "@tandem/contracts/OrderId"
import { type PlainCommand, readPlainCommand } from "@tandem/contracts/PlainCommand"
import { type Stamp, traceparentOf } from "@tandem/messaging/CloudEvents"
import { Ids } from "@tandem/messaging/Ids"
import { Outbox } from "@tandem/messaging/Outbox"
import { Access } from "@tandem/service-kit/auth/Access"
import { type Caller, keyOwner, maySee, maySpend, ownerOf } from "@tandem/service-kit/auth/Caller"
import { readCommand } from "@tandem/service-kit/Commands"
import * as Cursor from "@tandem/service-kit/Cursor"
import { type DirectAnswer, DirectRoutes } from "@tandem/service-kit/DirectRoutes"
import { versioned, versionHeaders } from "@tandem/service-kit/ETag"
import * as GroupCommit from "@tandem/service-kit/GroupCommit"
import {
  fingerprint,
  idempotencyKey,
  type KeyedCommand,
  underKey,
} from "@tandem/service-kit/idempotency/IdempotencyKey"
import {
  type Answer,
  alone,
  answerOnce,
  idempotencyRows,
  isKeyInUse,
  type KeptResponse,
  respond,
  startAlone,
  withHeaders,
} from "@tandem/service-kit/idempotency/IdempotentWrites"
import { unavailable } from "@tandem/service-kit/Problems"
import { Array, Clock, Context, Effect, Either, Exit, Option, Schema, Tracer } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { type Asking, askCancellation, askRefund } from "../domain/OrderCommands.js"
import { firstVersion, type OrderState } from "../domain/OrderSaga.js"
import { paymentRequests } from "../messages/OrderMessages.js"
import { encodeRequest } from "../messages/Unanswered.js"
import { type Asked, ask } from "../sql/Asks.js"
import { createOrders, type NewOrder } from "../sql/CreateOrders.js"
import { findHistory, findOrder, findOwner, listOrders, type VersionedHistory } from "../sql/Orders.js"
import { findOrders } from "../sql/OrdersById.js"

/** How many orders a page holds when nobody says. */
const defaultLimit = 50

/** Placing and reading orders: step 1 of the flow. Concurrent orders share a statement. */
export const OrdersRoutes = HttpApiBuilder.group(OrderApi, "orders", (handlers) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const { caller } = yield* Access
    const services = Context.make(SqlClient.SqlClient, sql).pipe(Context.add(Outbox, outbox))
    // A payment request has a few hundred bytes.
    const create = (orders: NonEmptyReadonlyArray<NewOrder>, beside?: Statement.Fragment) =>
      Effect.catchTag(createOrders(orders, beside), "MessageTooLarge", (fault) => Effect.die(fault))
    const placing = yield* GroupCommit.make({
      name: "create-orders",
      run: (commands: NonEmptyReadonlyArray<Placing>) =>
        Effect.flatMap(newOrders(commands), (orders) => Effect.as(create(orders), orders)).pipe(
          Effect.zipLeft(outbox.signal),
          Effect.provide(services),
        ),
    })
    const createOnce = (orders: NonEmptyReadonlyArray<KeyedOrder>) => {
      const answers = Array.map(orders, (order) => ({ keyed: order.keyed, response: created(order) }))
      return create(orders, idempotencyRows(sql, answers, orders[0].createdAt)).pipe(
        Effect.as(answers.map(({ response }) => Either.right({ response, replayed: false }))),
        Effect.catchIf(isKeyInUse, () =>
          answerOnce(orders, (fresh) =>
            Effect.as(
              create(fresh),
              fresh.map((order) => Either.right(created(order))),
            ),
          ),
        ),
      )
    }
    const placingOnce = yield* GroupCommit.make({
      name: "create-keyed-orders",
      run: (commands: NonEmptyReadonlyArray<Placing & { readonly keyed: KeyedCommand }>) =>
        Effect.flatMap(newOrders(commands), createOnce).pipe(Effect.zipLeft(outbox.signal), Effect.provide(services)),
    })
    const withSql = Effect.provideService(SqlClient.SqlClient, sql)

    const place = (command: Placing, key: string | undefined) => {
      if (key === undefined) return Effect.map(placing.submit(command), placed)
      const once = underKey("POST /orders", command, key)
      return Effect.flatten(alone(once.keyed, placingOnce.submit(once)))
    }

    const reading = yield* GroupCommit.make({
      name: "read-orders",
      run: (asked: NonEmptyReadonlyArray<Reading>) =>
        withSql(Effect.map(findOrders(asked.map(({ id }) => id)), shownTo(asked))),
    })

    const direct = yield* DirectRoutes
    direct.add({
      method: "GET",
      path: "/orders/",
      read: (id, caller) => (isOrderId(id) ? { id, caller } : undefined),
      answer: (order, _, done) => reading.offer(order, (exit) => done(Exit.flatMap(exit, Exit.fromEither))),
    })
    direct.add({
      method: "POST",
      path: "/orders",
      read: (query, caller) => {
        const command = readPlainCommand(query)
        if (command === undefined || !maySpend(caller, command.userId)) return undefined
        return { ...command, keyedBy: keyOwner(caller, command.userId) }
      },
      answer: (command, key, done) => {
        if (key === undefined)
          return placing.offer(command, (exit) => done(Exit.map(exit, (order) => withHeaders(placed(order)))))
        const once = underKey("POST /orders", command, key)
        startAlone(once.keyed, (end) => placingOnce.offer(once, end), done)
      },
    })

    /**
     * Cancellation and refund: decided under the order's lock, and asked of the payment service in the same transaction. A key
     * belongs to the caller, or to the order's owner where nobody is asked who he is.
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
        if (!isOrderId(id)) return yield* notFound()
        const mine = ownerOf(caller(request))
        const asked = Effect.map(ask(id, decide, encodeRequest, mine), answerTo)
        if (key === undefined) return respond({ response: yield* yield* Outbox.transaction(asked), replayed: false })
        const owner = yield* yield* Effect.map(findOwner(id, mine), Either.fromOption(notFound))
        const keyed: KeyedCommand = {
          caller: keyOwner(caller(request), owner),
          operation,
          key,
          fingerprint: fingerprint(id),
        }
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
          if (!maySpend(caller(request), userId)) return yield* notYours()
          const key = yield* idempotencyKey(request)
          const span = Option.getOrUndefined(yield* Effect.serviceOption(Tracer.ParentSpan))
          const keyedBy = keyOwner(caller(request), userId)
          return respond(yield* place({ userId, amount, keyedBy, ...(span === undefined ? {} : { span }) }, key))
        }).pipe(unavailable),
      )
      .handle("getOrder", ({ path, request }) =>
        Effect.gen(function* () {
          const found = isOrderId(path.id) ? yield* findOrder(path.id, ownerOf(caller(request))) : Option.none<Order>()
          const order = yield* Effect.mapError(found, notFound)
          return versioned(request, order.version, order)
        }).pipe(withSql, unavailable),
      )
      .handle("getOrderHistory", ({ path, request }) =>
        Effect.gen(function* () {
          const found = isOrderId(path.id)
            ? yield* findHistory(path.id, ownerOf(caller(request)))
            : Option.none<VersionedHistory>()
          const { version, items } = yield* Effect.mapError(found, notFound)
          return versioned(request, version, { items })
        }).pipe(withSql, unavailable),
      )
      .handleRaw("cancelOrder", ({ path, request }) =>
        asking("POST /orders/:id/cancel", path.id, request, (order) => askCancellation(order, "CancelledByUser")),
      )
      .handleRaw("refundOrder", ({ path, request }) => asking("POST /orders/:id/refund", path.id, request, askRefund))
      .handle("listOrders", ({ request, urlParams: { userId, status = "", limit = defaultLimit, cursor } }) =>
        Effect.gen(function* () {
          if (!maySee(caller(request), userId)) return yield* nothingHere()
          const list = ["orders", userId, status]
          const before = yield* Cursor.read(list, cursor, Option.liftPredicate(isOrderId))
          const orders = yield* listOrders({
            userId,
            limit: limit + 1,
            ...(status === "" ? {} : { status }),
            ...(before === undefined ? {} : { before }),
          })
          return new OrderPage(
            Cursor.page(list, orders, limit, ({ id }) => id),
            { disableValidation: true },
          )
        }).pipe(withSql, unavailable),
      )
  }),
)

interface Reading {
  readonly id: string
  readonly caller: Caller
}

const isOrderId = Schema.is(OrderId)

/** What each is shown of the orders that they have asked for together. */
const shownTo = (asked: ReadonlyArray<Reading>) => (orders: ReadonlyMap<string, Order>) =>
  asked.map(({ id, caller }): Either.Either<DirectAnswer, OrderNotFound> => {
    const order = orders.get(id)
    return order === undefined || !maySee(caller, order.userId)
      ? Either.left(notFound())
      : Either.right({ status: 200, headers: versionHeaders(order.version), body: JSON.stringify(order) })
  })

/** The command, and the span that its messages belong to. */
interface Placing extends PlainCommand {
  /** Whose an Idempotency-Key is. */
  readonly keyedBy: string
  readonly span?: Tracer.AnySpan
}

type KeyedOrder = NewOrder & { readonly keyed: KeyedCommand }

/**
 * Orders of this moment, and the requests for their payment. What the command carries beside goes along. Only ids and the time are effects:
 * an effect for each order was a third of a POST's CPU.
 */
const newOrders = <Command extends Placing>(commands: NonEmptyReadonlyArray<Command>) =>
  Effect.gen(function* () {
    const { next } = yield* Ids
    const ids = yield* Effect.forEach(commands, () => next)
    const messageIds = yield* Effect.forEach(commands, () => next)
    const createdAt = new Date(yield* Clock.currentTimeMillis).toISOString()
    return Array.zipWith(Array.zip(commands, ids), messageIds, ([command, id], messageId) => ({
      ...command,
      id,
      createdAt,
      request: paymentRequest(command, id, {
        id: messageId,
        time: createdAt,
        traceparent: traceparentOf(command.span),
      }),
    }))
  })

const paymentRequest = ({ userId, amount }: Placing, orderId: string, stamp: Stamp) =>
  paymentRequests.stamped(paymentRequestsTopic, userId, { _tag: "PaymentRequested", orderId, userId, amount }, stamp)

const placed = (order: NewOrder): Answer => ({ response: created(order), replayed: false })

/** The answer to who has placed an order. */
const created = ({ id, userId, amount, createdAt }: NewOrder): KeptResponse => {
  const version = firstVersion
  const order = { id, userId, amount, status: "NEW", reason: null, createdAt, updatedAt: createdAt, version }
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

const notYours = () => new Forbidden({ detail: "An order is placed by its own user." })

const nothingHere = () => new NotFound({ detail: "There is no such user's list." })

const notFound = () => new OrderNotFound({ detail: "No order has this id." })
