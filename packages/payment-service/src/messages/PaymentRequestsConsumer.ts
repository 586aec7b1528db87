import { paymentRequestsTopic, paymentResultsTopic } from "@tandem/contracts/messages/Topics"
import * as Consumer from "@tandem/messaging/Consumer"
import { Outbox } from "@tandem/messaging/Outbox"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Effect, Layer } from "effect"
import { map } from "effect/Array"
import { settlePayments } from "../sql/SettlePayments.js"
import { paymentRequests, paymentResults } from "./PaymentMessages.js"

/** Step 3 of the flow: requests are settled and answered in one transaction; the relay is told after the commit. */
export const PaymentRequestsConsumer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const outbox = yield* Outbox
    const health = yield* HealthChecks
    const consumer = yield* Consumer.make({
      name: "payment-service",
      topics: [paymentRequestsTopic],
      decode: paymentRequests.decode,
      handler: (messages, attempt) =>
        Effect.gen(function* () {
          const commands = map(messages, (message) => message.payload)
          const { results, impossible } = yield* settlePayments(commands, { lock: attempt.number > 0 })
          const answers = yield* Effect.forEach(results, (result) =>
            paymentResults.encode(paymentResultsTopic, result.userId, result),
          )
          yield* outbox.add(answers)
          return {
            rejected: impossible.flatMap(({ index, reason }) => {
              const message = messages[index]
              return message === undefined ? [] : [{ message, reason }]
            }),
            afterCommit: outbox.signal,
          }
        }),
    })
    yield* health.register("payment-requests consumer", consumer.check)
  }),
)
