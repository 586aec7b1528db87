import { paymentResultsTopic } from "@tandem/contracts/messages/Topics"
import * as Consumer from "@tandem/messaging/Consumer"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Effect, Layer } from "effect"
import { map } from "effect/Array"
import { PushHub } from "../push/PushHub.js"
import { settleResults } from "../sql/SettleResults.js"
import { paymentResults } from "./OrderMessages.js"
import { countConflicts, countSettled } from "./OrderMetrics.js"

/** Step 5 and 6 of the flow: results settle orders in one transaction; after the commit the users' connections are told. */
export const PaymentResultsConsumer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const hub = yield* PushHub
    const health = yield* HealthChecks
    const consumer = yield* Consumer.make({
      name: "order-service",
      topics: [paymentResultsTopic],
      decode: paymentResults.decode,
      handler: (messages, attempt) =>
        Effect.map(
          settleResults(
            map(messages, (message) => message.payload),
            { lock: attempt.number > 0 },
          ).pipe(Effect.tapErrorTag("VersionConflict", ({ expected, written }) => countConflicts(expected - written))),
          ({ frames, impossible }) => ({
            rejected: impossible.flatMap(({ index, reason }) => {
              const message = messages[index]
              return message === undefined ? [] : [{ message, reason }]
            }),
            afterCommit: Effect.zipRight(countSettled(frames), hub.announce(frames)),
          }),
        ),
    })
    yield* health.register("payment-results consumer", consumer.check)
  }),
)
