import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { paymentRequestsTopic } from "@tandem/contracts/messages/Topics"
import { Outbox } from "@tandem/messaging/Outbox"
import * as RetrySchedules from "@tandem/messaging/RetrySchedules"
import { Clock, Duration, Effect, Layer, Metric, Option } from "effect"
import { askAgain } from "../domain/OrderCommands.js"
import * as Asks from "../sql/Asks.js"
import * as FirstAnswers from "../sql/FirstAnswers.js"
import { paymentRequests } from "./OrderMessages.js"

/** Orders that have had no answer for too long and asked, by `request`. */
export const askedAgain = Metric.counter("tandem_order_unanswered_asked_total", {
  description: "Orders that had no answer for the payment timeout and asked for a cancellation or asked again",
  incremental: true,
})

/** So many orders of one transaction. */
const batch = 100

/** A request as the message that asks it. */
export const encodeRequest = (request: PaymentRequest) =>
  paymentRequests.encode(paymentRequestsTopic, request.userId, request)

/** Asks for each order, and answers the tags of what was asked; those that have their answer come out of the list. */
const askFor = (ids: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const asked: Array<PaymentRequest["_tag"]> = []
    const settled: Array<string> = []
    // In the order in which a settlement locks, so that the two queue up and do not deadlock.
    for (const id of [...ids].sort()) {
      const result = yield* Asks.ask(id, askAgain, encodeRequest)
      if (Option.isSome(result) && result.value.asking._tag === "Asked") asked.push(result.value.asking.request._tag)
      else settled.push(id)
    }
    if (settled.length > 0) yield* Asks.answered(settled)
    return asked
  })

const count = (tags: ReadonlyArray<PaymentRequest["_tag"]>) =>
  Effect.forEach(tags, (tag) => Metric.increment(Metric.tagged(askedAgain, "request", tag)), { discard: true })

/** One look at everything that has waited for `timeout`; several instances share it. */
const look = (timeout: Duration.Duration) =>
  Effect.gen(function* () {
    const cutoff = (yield* Clock.currentTimeMillis) - Duration.toMillis(timeout)
    const step = (find: Effect.Effect<{ readonly ids: ReadonlyArray<string>; readonly done: boolean }, SqlErr, Sql>) =>
      Outbox.transaction(
        Effect.gen(function* () {
          const { ids, done } = yield* find
          return { asked: yield* askFor(ids), done }
        }),
      ).pipe(
        Effect.tap(({ asked }) => count(asked)),
        Effect.repeat({ until: ({ done }) => done }),
      )
    yield* step(FirstAnswers.withoutAny(cutoff, batch))
    yield* step(
      Effect.map(Asks.unanswered(new Date(cutoff).toISOString(), batch), (ids) => ({ ids, done: ids.length < batch })),
    )
  }).pipe(
    // A request has a few hundred bytes.
    Effect.catchTag("MessageTooLarge", (fault) => Effect.die(fault)),
  )

type Found = ReturnType<typeof FirstAnswers.withoutAny>
type SqlErr = Effect.Effect.Error<Found>
type Sql = Effect.Effect.Context<Found>

/**
 * The saga's clock: an order that has had no answer for `timeout` asks for its own cancellation, a cancellation or a refund that has had
 * none asks again, under a new message id. Looks a dozen times a timeout, every 30 s at least; faults are tried again for ever.
 */
export const layer = (timeout: Duration.Duration) => {
  const pause = Duration.clamp(Duration.times(timeout, 1 / 12), { minimum: "50 millis", maximum: "30 seconds" })
  return look(timeout).pipe(
    Effect.tapError((fault) => Effect.logDebug(`unanswered orders cannot be looked for: ${fault.message}`)),
    Effect.retry(RetrySchedules.subscription),
    Effect.zipRight(Effect.sleep(pause)),
    Effect.forever,
    Effect.withTracerEnabled(false),
    Effect.forkScoped,
    Layer.scopedDiscard,
  )
}
