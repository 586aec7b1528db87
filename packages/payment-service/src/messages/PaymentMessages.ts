import { PaymentRequest, PaymentResult, paymentResultsTopic } from "@tandem/contracts/messages/Topics"
import * as CloudEvents from "@tandem/messaging/CloudEvents"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { Effect } from "effect"

const source = "/tandem/payment-service"

/** How the payment service reads what is asked of it. */
export const paymentRequests = CloudEvents.make({ source, schema: PaymentRequest })

/** How it writes its answers. */
export const paymentResults = CloudEvents.make({ source, schema: PaymentResult })

/** The answers to a batch, each under its user's key. */
export const encode = (results: ReadonlyArray<PaymentResult>): Effect.Effect<ReadonlyArray<OutgoingMessage>> =>
  Effect.forEach(results, (result) => paymentResults.encode(paymentResultsTopic, result.userId, result))
