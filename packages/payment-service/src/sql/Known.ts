import { SqlClient, type SqlError } from "@effect/sql"
import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { Effect } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Account } from "../domain/Ledger.js"
import type { Payment } from "../domain/PaymentSaga.js"
import type { Known } from "../domain/Settlement.js"
import { lockAccounts } from "./Accounts.js"
import { fromRow, type PaymentRow, readPayments } from "./Payments.js"

const userIds = (commands: ReadonlyArray<PaymentRequest>) => [...new Set(commands.map(({ userId }) => userId))]
const orderIds = (commands: ReadonlyArray<PaymentRequest>) => [...new Set(commands.map(({ orderId }) => orderId))]

type AccountRow = {
  readonly orderId: null
  readonly userId: string
  readonly balance: string
  readonly version: string
}

/** What these commands are about, as it is at one moment: one statement, no locks, so that nobody waits for nobody. */
export const readKnown = (
  commands: NonEmptyReadonlyArray<PaymentRequest>,
): Effect.Effect<Known, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<AccountRow | PaymentRow>`
      SELECT NULL::uuid AS "orderId", user_id AS "userId", balance, version, NULL::bigint AS amount, NULL::text AS status,
        NULL::text AS reason, NULL::bigint AS "balanceAfter"
      FROM accounts WHERE user_id = ANY(${userIds(commands)}::text[])
      UNION ALL
      SELECT order_id, user_id, NULL, NULL, amount, status, reason, balance_after
      FROM payments WHERE order_id = ANY(${orderIds(commands)}::uuid[])`
    const accounts = new Map<string, Account>()
    const payments = new Map<string, Payment>()
    for (const row of rows) {
      if (row.orderId === null) {
        const { userId } = row
        accounts.set(userId, { userId, balance: Number(row.balance), version: Number(row.version) })
      } else payments.set(row.orderId, fromRow(row))
    }
    return { accounts, payments }
  })

/** The same with the accounts locked until the caller's transaction ends, so that nothing of it changes meanwhile. */
export const lockKnown = (
  commands: NonEmptyReadonlyArray<PaymentRequest>,
): Effect.Effect<Known, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    // Before anything else is read: what the accounts' last owner decided is then there to be seen.
    const accounts = yield* lockAccounts(userIds(commands))
    return { accounts, payments: yield* readPayments(orderIds(commands)) }
  })
