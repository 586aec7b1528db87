import { paymentResultsTopic } from "@tandem/contracts/messages/Topics"
import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import * as Consumer from "@tandem/messaging/Consumer"
import { conflictOf } from "@tandem/messaging/Inbox"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Effect, Layer, Option } from "effect"
import { map } from "effect/Array"
import { PushHub } from "../push/PushHub.js"
import { settleInOneStatement, settleResults } from "../sql/SettleResults.js"
import { paymentResults } from "./OrderMessages.js"
import { countConflicts, countSettled } from "./OrderMetrics.js"

/** Step 5 and 6 of the flow: results settle orders in one transaction; after the commit the users' connections are told. */
export const PaymentResultsConsumer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const hub = yield* PushHub
    const health = yield* HealthChecks
    const afterCommit = (frames: ReadonlyArray<OrderStatusChanged>) =>
      Effect.zipRight(countSettled(frames), hub.announce(frames))
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
            afterCommit: afterCommit(frames),
          }),
        ),
      inOneStatement: (messages, inbox) =>
        settleInOneStatement(
          map(messages, (message) => message.payload),
          inbox,
        ).pipe(
          Effect.tapError((fault) => (conflictOf(fault) === "orders" ? countConflicts(1) : Effect.void)),
          Effect.map(Option.map(afterCommit)),
        ),
    })
    yield* health.register("payment-results consumer", consumer.check)
  }),
)
