import { paymentRequestsTopic } from "@tandem/contracts/messages/Topics"
import * as Consumer from "@tandem/messaging/Consumer"
import { Outbox } from "@tandem/messaging/Outbox"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Effect, Layer, Option } from "effect"
import { map } from "effect/Array"
import type { Settlement } from "../domain/Settlement.js"
import * as RecentAccounts from "../sql/RecentAccounts.js"
import * as SettlementMetrics from "../sql/SettlementMetrics.js"
import { settleInOneStatement, settlePayments } from "../sql/SettlePayments.js"
import { encode, paymentRequests } from "./PaymentMessages.js"

/** Step 3 of the flow: requests are settled and answered in one transaction; the relay is told after the commit. */
export const PaymentRequestsConsumer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const outbox = yield* Outbox
    const health = yield* HealthChecks
    const recent = yield* RecentAccounts.make
    const afterCommit = (settlement: Settlement) =>
      Effect.zipRight(outbox.signal, SettlementMetrics.decided(settlement))
    const consumer = yield* Consumer.make({
      name: "payment-service",
      topics: [paymentRequestsTopic],
      decode: paymentRequests.decode,
      handler: (messages, attempt) =>
        Effect.gen(function* () {
          const commands = map(messages, (message) => message.payload)
          const settlement = yield* settlePayments(commands, { attempt: attempt.number, encode })
          return {
            rejected: settlement.impossible.flatMap(({ index, reason }) => {
              const message = messages[index]
              return message === undefined ? [] : [{ message, reason }]
            }),
            afterCommit: afterCommit(settlement),
          }
        }),
      inOneStatement: (messages, inbox) =>
        Effect.map(
          settleInOneStatement(
            map(messages, (message) => message.payload),
            { inbox, encode, recent },
          ),
          Option.map(afterCommit),
        ),
    })
    yield* health.register("payment-requests consumer", consumer.check)
  }),
)
