import { type Migrator, SqlClient, type SqlError } from "@effect/sql"
import {
  PaymentRequest,
  PaymentResult,
  paymentRequestsTopic,
  paymentResultsTopic,
} from "@tandem/contracts/messages/Topics"
import * as CloudEvents from "@tandem/messaging/CloudEvents"
import { migrate } from "@tandem/messaging/Migrations"
import { type MessageTooLarge, Outbox, type OutsideTransaction } from "@tandem/messaging/Outbox"
import { Effect } from "effect"
import type { RepairableKind } from "../domain/Finding.js"
import { answerAgain, askAgain, type OpenOrder, type RecordedDecision } from "../domain/SayAgain.js"
import { repairSchema } from "./RepairSchema.js"

/** Orders a transaction, so that it holds its locks for moments only. */
const batchSize = 500

const source = "/tandem/reconciliation"
const requests = CloudEvents.make({ source, schema: PaymentRequest })
const results = CloudEvents.make({ source, schema: PaymentResult })

/** What can keep a repair from being done; nothing of its last transaction is then there. */
export type RepairFault = SqlError.SqlError | Migrator.MigrationError | OutsideTransaction | MessageTooLarge

/**
 * Repairs findings of a kind in the database that the client is of: the payment service's for `unheard-decision`, the order service's
 * for `unanswered-order`. Each order is looked at again under a lock, and what was settled meanwhile is left alone. The message goes
 * into the service's outbox and `actor` into `reconciliation_repairs`, in one transaction. Answers how many were repaired.
 */
export const repair = (
  kind: RepairableKind,
  orderIds: ReadonlyArray<string>,
  actor: string,
): Effect.Effect<number, RepairFault, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    if (orderIds.length === 0) return 0
    yield* migrate([repairSchema])
    let repaired = 0
    for (let from = 0; from < orderIds.length; from += batchSize) {
      const batch = orderIds.slice(from, from + batchSize)
      repaired += yield* Outbox.transaction(kind === "unheard-decision" ? answer(batch, actor) : ask(batch, actor))
    }
    return repaired
  }).pipe(Effect.provide(Outbox.layer))

const answer = (orderIds: ReadonlyArray<string>, actor: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<
      Omit<RecordedDecision, "amount" | "balanceAfter"> & {
        readonly amount: string
        readonly balanceAfter: string | null
      }
    >`
      SELECT order_id AS "orderId", user_id AS "userId", amount, status, reason, balance_after AS "balanceAfter"
      FROM payments WHERE order_id = ANY(${[...orderIds]}::uuid[]) ORDER BY order_id FOR SHARE`
    const answers = rows.flatMap((row) => {
      const balanceAfter = row.balanceAfter === null ? null : Number(row.balanceAfter)
      return answerAgain({ ...row, amount: Number(row.amount), balanceAfter }) ?? []
    })
    const messages = yield* Effect.forEach(answers, (result) =>
      results.encode(paymentResultsTopic, result.userId, result),
    )
    yield* (yield* Outbox).add(messages)
    yield* record("unheard-decision", answers, actor)
    return answers.length
  })

const ask = (orderIds: ReadonlyArray<string>, actor: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<Omit<OpenOrder, "amount"> & { readonly amount: string }>`
      SELECT id AS "orderId", user_id AS "userId", amount, status, cancel_asked_at IS NOT NULL AS "cancellationAsked",
        cancel_reason AS "cancelReason", refund_asked_at IS NOT NULL AS "refundAsked"
      FROM orders WHERE id = ANY(${[...orderIds]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`
    // A cancellation that is asked is one that the order knows of, as when the service asks: else a success that crosses it would make
    // the order FINISHED for a moment. The version grows, so that a settlement that has read the order decides again.
    const unasked = rows.filter((row) => row.status === "NEW" && !row.cancellationAsked).map((row) => row.orderId)
    if (unasked.length > 0) {
      yield* sql`
        UPDATE orders SET cancel_asked_at = now(), cancel_reason = 'PaymentTimeout', version = version + 1,
          updated_at = greatest(updated_at, now())
        WHERE id = ANY(${unasked}::uuid[])`
    }
    const asked = rows.flatMap((row) => askAgain({ ...row, amount: Number(row.amount) }) ?? [])
    // From here on the service's own clock asks again, should this one be lost as well.
    yield* sql`
      INSERT INTO order_asks (order_id, asked_at)
      SELECT order_id, now() FROM unnest(${asked.map((request) => request.orderId)}::uuid[]) AS order_id
      ON CONFLICT (order_id) DO UPDATE SET asked_at = excluded.asked_at`
    const messages = yield* Effect.forEach(asked, (request) =>
      requests.encode(paymentRequestsTopic, request.userId, request),
    )
    yield* (yield* Outbox).add(messages)
    yield* record("unanswered-order", asked, actor)
    return asked.length
  })

const record = (kind: RepairableKind, messages: ReadonlyArray<PaymentRequest | PaymentResult>, actor: string) =>
  Effect.gen(function* () {
    if (messages.length === 0) return
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      INSERT INTO reconciliation_repairs (kind, order_id, message_type, reason, actor)
      SELECT ${kind}, order_id, message_type, reason, ${actor}
      FROM unnest(
        ${messages.map((message) => message.orderId)}::uuid[], ${messages.map((message) => message._tag)}::text[],
        ${messages.map((message) => ("reason" in message ? message.reason : null))}::text[]
      ) AS message (order_id, message_type, reason)`
  })
