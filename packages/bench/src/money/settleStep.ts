import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { nextId } from "@tandem/messaging/Ids"
import * as Inbox from "@tandem/messaging/Inbox"
import { transaction } from "@tandem/messaging/Transaction"
import { encode } from "@tandem/payment-service/messages/PaymentMessages"
import { settlePayments } from "@tandem/payment-service/sql/SettlePayments"
import { topUp } from "@tandem/payment-service/sql/TopUps"
import { Clock, Effect, Fiber, Ref } from "effect"
import { isNonEmptyArray } from "effect/Array"
import { tidy } from "./Ledger.js"

/** The most messages of a partition that the consumer takes at once. */
const batchSize = 500

const makeBatch = (users: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const commands: Array<PaymentRequested> = []
    const ids: Array<string> = []
    for (let n = 0; n < batchSize; n++) {
      const order = { orderId: yield* nextId, userId: users[n % users.length] ?? "hot", amount: 1 }
      commands.push(new PaymentRequested(order, { disableValidation: true }))
      ids.push(yield* nextId)
    }
    return { commands, ids }
  })

/** What the consumer does between a batch's reading and its acknowledgement, again and with locks when a version was missed. */
const settleBatch = (batch: Effect.Effect.Success<ReturnType<typeof makeBatch>>, misses: Ref.Ref<number>) =>
  Effect.gen(function* () {
    const attempts = yield* Ref.make(0)
    yield* Effect.flatMap(
      Ref.getAndUpdate(attempts, (n) => n + 1),
      (attempt) =>
        transaction(
          Effect.gen(function* () {
            yield* Inbox.admit("payment-service", batch.ids)
            if (isNonEmptyArray(batch.commands)) yield* settlePayments(batch.commands, { attempt, encode })
          }),
        ),
    ).pipe(
      Effect.tapErrorTag("VersionConflict", () => Ref.update(misses, (n) => n + 1)),
      Effect.retry({ while: (fault) => fault._tag === "VersionConflict" }),
    )
  })

/** Payments a second through the settle step, inbox and outbox included, one batch after the other; and the versions missed. */
export const settleStep = (users: ReadonlyArray<string>, batches: number) =>
  Effect.gen(function* () {
    yield* tidy
    const misses = yield* Ref.make(0)
    const prepared = yield* Effect.forEach(Array.from({ length: batches }), () => makeBatch(users))
    const start = performance.now()
    for (const batch of prepared) yield* settleBatch(batch, misses)
    const seconds = (performance.now() - start) / 1_000
    return { perSecond: (batches * batchSize) / seconds, misses: yield* Ref.get(misses) }
  }).pipe(Effect.withTracerEnabled(false))

/** The same on one account while `clients` top it up one after the other, as fast as they are answered. */
export const settleStepWhileToppedUp = (user: string, batches: number, clients: number) =>
  Effect.gen(function* () {
    let topUps = 0
    const client = Effect.forever(
      Effect.gen(function* () {
        const at = new Date(yield* Clock.currentTimeMillis).toISOString()
        yield* topUp([{ id: yield* nextId, userId: user, amount: 1 }], at)
        topUps++
      }),
    )
    const racing = yield* Effect.fork(Effect.replicateEffect(client, clients, { concurrency: "unbounded" }))
    const start = performance.now()
    const settled = yield* settleStep([user], batches)
    const topUpsPerSecond = topUps / ((performance.now() - start) / 1_000)
    yield* Fiber.interrupt(racing)
    return { ...settled, topUpsPerSecond }
  }).pipe(Effect.withTracerEnabled(false))
