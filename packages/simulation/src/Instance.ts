import type { SqlClient } from "@effect/sql"
import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { paymentRequestsTopic } from "@tandem/contracts/messages/Topics"
import { Broker, type BrokerService } from "@tandem/messaging/Broker"
import { nextId } from "@tandem/messaging/Ids"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import { askCancellation, askPayment, askRefund } from "@tandem/order-service/domain/OrderCommands"
import { paymentRequests } from "@tandem/order-service/messages/OrderMessages"
import { PaymentResultsConsumer } from "@tandem/order-service/messages/PaymentResultsConsumer"
import * as Unanswered from "@tandem/order-service/messages/Unanswered"
import { PushHub } from "@tandem/order-service/push/PushHub"
import * as Asks from "@tandem/order-service/sql/Asks"
import { createOrders } from "@tandem/order-service/sql/CreateOrders"
import { Notifications } from "@tandem/order-service/sql/Notifications"
import { PaymentRequestsConsumer } from "@tandem/payment-service/messages/PaymentRequestsConsumer"
import { topUp } from "@tandem/payment-service/sql/TopUps"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Clock, type Context, Duration, Effect, Exit, Layer, Scope } from "effect"
import type { SimulatedDatabase } from "./Database.js"
import { Gate } from "./Gate.js"
import type { Operation } from "./Schedule.js"
import type { Draw } from "./Seeded.js"
import type { Witness } from "./Witness.js"
import type { World } from "./World.js"

/** How long an order may be without an answer, in the simulation. */
const paymentTimeout = Duration.seconds(5)

/** What all instances share. */
export interface Surroundings {
  readonly world: World
  readonly draw: Draw
  /** A new client of the broker. */
  readonly broker: Effect.Effect<BrokerService>
  readonly databases: { readonly order: SimulatedDatabase; readonly payment: SimulatedDatabase }
  /** How long whoever crashed stays away, in ms. */
  readonly absence: () => number
  readonly witness: Witness
}

type Services = SqlClient.SqlClient | Outbox

/** A process of a service, from its start to its crash, and again after that. */
export class Instance {
  readonly name: string
  readonly service: "order" | "payment"
  private readonly surroundings: Surroundings
  private life:
    | { readonly gate: Gate; readonly scope: Scope.CloseableScope; readonly services: Context.Context<Services> }
    | undefined
  private crashed = false

  constructor(name: string, surroundings: Surroundings) {
    this.name = name
    this.service = name.startsWith("order") ? "order" : "payment"
    this.surroundings = surroundings
  }

  /** The gate of this life; undefined while it is away. */
  get gate(): Gate | undefined {
    return this.life?.gate.alive === true ? this.life.gate : undefined
  }

  private readonly begin: Effect.Effect<void> = Effect.gen(this, function* () {
    const { world, draw } = this.surroundings
    const gate = new Gate(this.name, world, draw, () => {
      this.crashed = true
    })
    const scope = yield* Scope.make()
    const services = yield* Layer.buildWithScope(this.layer(gate), scope)
    this.life = { gate, scope, services }
  })

  /** Starts it again whenever it has crashed, after a while. For ever. */
  private readonly supervise: Effect.Effect<never> = Effect.forever(
    Effect.gen(this, function* () {
      yield* Effect.sleep("20 millis")
      if (!this.crashed || this.life === undefined) return
      this.crashed = false
      // What it leaves behind can do nothing, for its gate is shut.
      yield* Effect.forkDaemon(Scope.close(this.life.scope, Exit.void))
      yield* Effect.sleep(Duration.millis(this.surroundings.absence()))
      yield* this.begin
    }),
  )

  /** Starts it, for as long as the scope. */
  readonly start: Effect.Effect<void, never, Scope.Scope> = Effect.gen(this, function* () {
    yield* this.begin
    yield* Effect.addFinalizer(() => this.end)
    yield* Effect.forkScoped(this.supervise)
  })

  /** Ends it for good; what it would still do is refused. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    if (this.life === undefined) return Effect.void
    this.life.gate.alive = false
    return Scope.close(this.life.scope, Exit.void)
  })

  /** Does what a client asks; false when it is not known whether it was done. */
  perform(operation: Operation): Effect.Effect<boolean> {
    const life = this.life
    if (life === undefined || !life.gate.alive) return Effect.succeed(false)
    return perform(operation).pipe(
      Effect.provide(life.services),
      Effect.as(true),
      Effect.catchAllCause(() => Effect.succeed(false)),
    )
  }

  private layer(gate: Gate): Layer.Layer<Services> {
    const { broker, databases, witness } = this.surroundings
    const guarded = Effect.map(
      broker,
      (inner): BrokerService => ({
        ...inner,
        publish: (messages) =>
          gate.publish(
            Effect.suspend(() => {
              witness.published(this.service, messages)
              return inner.publish(messages)
            }),
          ),
      }),
    )
    const consumers =
      this.service === "order"
        ? Layer.merge(PaymentResultsConsumer, Unanswered.layer(paymentTimeout))
        : PaymentRequestsConsumer
    return Layer.merge(consumers, Relay.layer({ pollInterval: "400 millis" })).pipe(
      Layer.provideMerge(Outbox.layer),
      Layer.provide(Layer.merge(Layer.effect(Broker, guarded), HealthChecks.layer)),
      Layer.provide(nobodyListens),
      Layer.provide(Notifications.layer),
      Layer.provideMerge(databases[this.service].layer(gate)),
    )
  }
}

/** Who listens is looked after elsewhere; what they are told is in the table. */
const nobodyListens = Layer.succeed(PushHub, { announce: () => Effect.void, accept: () => undefined })

const encode = (request: PaymentRequest) => paymentRequests.encode(paymentRequestsTopic, request.userId, request)

const perform = (operation: Operation) =>
  Effect.gen(function* () {
    const now = new Date(yield* Clock.currentTimeMillis).toISOString()
    if (operation.kind === "top up") {
      yield* topUp([{ id: yield* nextId, userId: operation.userId, amount: operation.amount }], now)
    } else if (operation.kind === "order") {
      const { id, userId, amount } = operation
      const request = yield* encode(askPayment({ id, userId, amount }))
      yield* createOrders([{ id, userId, amount, createdAt: now, request }])
      yield* Effect.flatMap(Outbox, (outbox) => outbox.signal)
    } else {
      const ask =
        operation.kind === "refund"
          ? askRefund
          : (order: Parameters<typeof askRefund>[0]) => askCancellation(order, "CancelledByUser")
      yield* Outbox.transaction(Asks.ask(operation.id, ask, encode))
    }
  })
