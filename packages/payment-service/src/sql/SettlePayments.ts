import { SqlClient, type SqlError } from "@effect/sql"
import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { nextId } from "@tandem/messaging/Ids"
import { Clock, Data, Effect } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { type Settlement, settle } from "../domain/Settlement.js"
import { readAccounts } from "./Accounts.js"
import * as Payments from "./Payments.js"
import * as Transfers from "./Transfers.js"

/** An account or a payment changed between being read and being written; the batch is decided again. */
export class VersionConflict extends Data.TaggedError("VersionConflict")<{
  readonly expected: number
  readonly written: number
}> {
  override get message(): string {
    return `${this.expected - this.written} of ${this.expected} accounts and payments changed meanwhile`
  }
}

/**
 * Gives a batch of commands its effect, inside the caller's transaction: decisions, balances, ledger; three statements however
 * large the batch. Optimistic: reads without locks and writes under the versions that it read, so nobody waits for nobody. Try
 * again with `lock` after a conflict. What is to be answered is in the settlement.
 */
export const settlePayments = (
  commands: NonEmptyReadonlyArray<PaymentRequest>,
  options: { readonly lock: boolean },
): Effect.Effect<Settlement, SqlError.SqlError | VersionConflict, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const userIds = [...new Set(commands.map((command) => command.userId))]
    // Before anything else is read: what the accounts' last owner decided is then there to be seen.
    const locked = options.lock ? yield* readAccounts(userIds, true) : undefined
    const payments = yield* Payments.readPayments([...new Set(commands.map((command) => command.orderId))])
    // As late as possible: every moment between here and the write is one in which a top-up can come between.
    const accounts = locked ?? (yield* readAccounts(userIds, false))
    const settlement = settle({ accounts, payments }, commands)
    if (settlement.payments.length > 0) yield* write(settlement)
    return settlement
  })

const write = (settlement: Settlement) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const at = new Date(yield* Clock.currentTimeMillis).toISOString()
    const lines = yield* Effect.forEach(settlement.transfers, (line) => Effect.map(nextId, (id) => ({ ...line, id })))
    const { accounts, payments } = settlement
    const rows = yield* sql<{ written: string }>`
      WITH account AS (
        -- Clocks disagree, and a statement may have waited since it read its own: no change is older than the one before it.
        UPDATE accounts SET balance = changed.balance, version = changed.version,
          updated_at = greatest(accounts.updated_at, ${at}::timestamptz)
        FROM unnest(
          ${accounts.map(({ after }) => after.userId)}::text[], ${accounts.map(({ before }) => before.version)}::bigint[],
          ${accounts.map(({ after }) => after.balance)}::bigint[], ${accounts.map(({ after }) => after.version)}::bigint[]
        ) AS changed (user_id, from_version, balance, version)
        WHERE accounts.user_id = changed.user_id AND accounts.version = changed.from_version
        RETURNING 1
      ),
      fresh AS (${Payments.insertNew(sql, settlement, at)}),
      repaid AS (${Payments.updateChanged(sql, settlement, at)}),
      -- Only when no version was missed: else the ledger's key would complain first, of something that is no fault.
      line AS (${Transfers.append(sql, lines, at)} WHERE (SELECT count(*) FROM account) = ${accounts.length})
      SELECT (SELECT count(*) FROM account) + (SELECT count(*) FROM fresh) + (SELECT count(*) FROM repaid) AS written`
    const expected = accounts.length + payments.length
    const written = Number(rows[0]?.written ?? 0)
    if (written !== expected) return yield* new VersionConflict({ expected, written })
  })
