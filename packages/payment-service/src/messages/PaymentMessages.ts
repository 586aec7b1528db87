import { PaymentRequest, PaymentResult, paymentResultsTopic } from "@tandem/contracts/messages/Topics"
import * as CloudEvents from "@tandem/messaging/CloudEvents"
import { Ids } from "@tandem/messaging/Ids"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { Array, Clock, Effect } from "effect"

const source = "/tandem/payment-service"

/** How the payment service reads what is asked of it. */
export const paymentRequests = CloudEvents.make({ source, schema: PaymentRequest })

/** How it writes its answers. */
export const paymentResults = CloudEvents.make({ source, schema: PaymentResult })

/** The answers to a batch, each under its user's key. Only ids and the time are effects: one for each answer cost more than the rest of it. */
export const encode = (results: ReadonlyArray<PaymentResult>): Effect.Effect<ReadonlyArray<OutgoingMessage>> =>
  Effect.gen(function* () {
    const { next } = yield* Ids
    const ids = yield* Effect.forEach(results, () => next)
    const time = new Date(yield* Clock.currentTimeMillis).toISOString()
    const traceparent = yield* CloudEvents.currentTraceparent
    return Array.zipWith(results, ids, (result, id) =>
      paymentResults.stamped(paymentResultsTopic, result.userId, result, { id, time, traceparent }),
    )
  })
