import { SqlClient, type SqlError } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import { transaction } from "@tandem/messaging/Transaction"
import { Effect } from "effect"
import { expect } from "vitest"
import { balanced, database, imbalance } from "./database.js"
import { fund, settle } from "./ledger.js"

/** The rule that a statement breaks, by the name of its constraint. */
const broken = ({ cause }: SqlError.SqlError): unknown =>
  typeof cause === "object" && cause !== null && "constraint" in cause ? cause.constraint : cause

const order = (n: number) => `01936f4e-8f2a-7c3b-9d4e-00000000000${n}`

/** Account `a` paid 60 of 100 for order 1 and got 5 of 5 back for order 2; order 3 was declined. Account `b` has 10. */
const ledger = Effect.gen(function* () {
  yield* fund("a", 100)
  yield* fund("b", 10)
  const refunded = { orderId: order(2), userId: "a", amount: 5 }
  yield* settle([
    new PaymentRequested({ orderId: order(1), userId: "a", amount: 60 }),
    new PaymentRequested(refunded),
    new RefundRequested({ ...refunded, reason: "RefundedByUser" }),
    new PaymentRequested({ orderId: order(3), userId: "a", amount: 900 }),
  ])
})

/** A line of account `a`, which stands at version 4 with a balance of 40. */
const line = (
  version: number,
  kind: "topup" | "payment" | "refund",
  amount: number,
  balance: number,
  orderId = "NULL",
) => {
  const [debit, credit] =
    kind === "topup" ? ["funding", "user:a"] : kind === "payment" ? ["user:a", "settlement"] : ["settlement", "user:a"]
  const id = orderId === "NULL" ? orderId : `'${orderId}'`
  return `INSERT INTO transfers (account, account_version, id, kind, debit_account, credit_account, amount, balance_after, order_id, at)
    VALUES ('user:a', ${version}, uuidv7(), '${kind}', '${debit}', '${credit}', ${amount}, ${balance}, ${id}, now())`
}

const payment = (n: number, userId: string, amount: number, status: string, reason: string, balance: string) =>
  `INSERT INTO payments (order_id, user_id, amount, status, reason, balance_after, decided_at, updated_at)
  VALUES ('${order(n)}', '${userId}', ${amount}, '${status}', ${reason}, ${balance}, now(), now())`

const account = (set: string) => `UPDATE accounts SET ${set} WHERE user_id = 'a'`

/** Several changes as one statement, the only way in which the ledger takes them. */
const together = (...statements: ReadonlyArray<string>) =>
  `WITH ${statements.map((statement, n) => `s${n} AS (${statement})`).join(", ")} SELECT 1`

const paid = (n: number, amount: number, userId = "a") => payment(n, userId, amount, "SUCCEEDED", "NULL", "30")
const moved = account("balance = 30, version = 5")

/** What somebody with psql might try, and the rule that forbids it. */
const forbidden: ReadonlyArray<readonly [what: string, statement: string, rule: string]> = [
  [
    "an account that moves without a transfer",
    account("balance = balance - 1, version = version + 1"),
    "accounts_move_with_their_transfers",
  ],
  ["a balance that changes under its version", account("balance = 1"), "accounts_move_with_their_transfers"],
  ["a version that goes back", account("version = 2, balance = 100"), "accounts_move_with_their_transfers"],
  ["a funding limit that is forgotten", account("funded = funded - 1"), "accounts_move_with_their_transfers"],
  ["an account under another name", account("user_id = 'z'"), "accounts_move_with_their_transfers"],
  [
    "an account out of nothing",
    "INSERT INTO accounts (user_id, balance, funded, version, created_at, updated_at) VALUES ('z', 1, 1, 1, now(), now())",
    "accounts_move_with_their_transfers",
  ],
  ["a negative balance", account("balance = -1"), "accounts_balance_is_not_negative"],
  ["more than was ever funded", account("balance = funded + 1"), "accounts_balance_was_funded"],
  ["a transfer without its account moving", line(5, "topup", 1, 41), "transfers_move_their_account"],
  [
    "a transfer of an account that is not there",
    line(1, "topup", 1, 1).replaceAll("user:a", "user:z"),
    "transfers_move_their_account",
  ],
  ["a version twice", line(4, "topup", 1, 41), "transfers_pkey"],
  [
    "a gap in the versions",
    together(line(6, "topup", 1, 41), account("balance = 41, funded = funded + 1, version = 6")),
    "accounts_move_with_their_transfers",
  ],
  [
    "a balance that does not follow from the one before",
    together(line(5, "topup", 1, 42), account("balance = 41, funded = funded + 1, version = 5")),
    "accounts_move_with_their_transfers",
  ],
  [
    "an amount that is not the account's change",
    together(line(5, "topup", 1, 42), account("balance = 42, funded = funded + 2, version = 5")),
    "accounts_move_with_their_transfers",
  ],
  [
    "a top-up that the funding limit forgets",
    together(line(5, "topup", 1, 41), account("balance = 41, version = 5")),
    "accounts_move_with_their_transfers",
  ],
  [
    "half a transfer",
    line(5, "topup", 1, 41).replace("'user:a', 1,", "'settlement', 1,"),
    "transfers_move_between_the_right_accounts",
  ],
  [
    "a payment without its decision",
    together(line(5, "payment", 10, 30, order(4)), moved),
    "transfers_agree_with_their_payment",
  ],
  [
    "a payment of a declined order",
    together(line(5, "payment", 10, 30, order(3)), moved),
    "transfers_agree_with_their_payment",
  ],
  [
    "a second payment of an order",
    together(line(5, "payment", 10, 30, order(1)), moved),
    "transfers_pay_an_order_once",
  ],
  [
    "a second refund of an order",
    together(line(5, "refund", 5, 45, order(2)), account("balance = 45, version = 5")),
    "transfers_refund_an_order_once",
  ],
  [
    "a refund of what was not paid",
    together(line(5, "refund", 5, 45, order(3)), account("balance = 45, version = 5")),
    "transfers_agree_with_their_payment",
  ],
  [
    "a refund without its decision",
    together(line(5, "refund", 60, 100, order(1)), account("balance = 100, version = 5")),
    "transfers_agree_with_their_payment",
  ],
  [
    "a payment of another amount than decided",
    together(line(5, "payment", 10, 30, order(4)), moved, paid(4, 11)),
    "transfers_agree_with_their_payment",
  ],
  [
    "a payment from another account than decided",
    together(line(5, "payment", 10, 30, order(4)), moved, paid(4, 10, "b")),
    "transfers_agree_with_their_payment",
  ],
  ["a success that took no money", paid(4, 10), "payments_have_their_transfers"],
  [
    "a refund that gave nothing back",
    `UPDATE payments SET status = 'REFUNDED', reason = 'RefundedByUser' WHERE order_id = '${order(1)}'`,
    "payments_have_their_transfers",
  ],
  ["a second decision of an order", payment(3, "a", 900, "CANCELLED", "'CancelledByUser'", "NULL"), "payments_pkey"],
  [
    "a decline that is reconsidered",
    `UPDATE payments SET status = 'SUCCEEDED', reason = NULL, balance_after = 30 WHERE order_id = '${order(3)}'`,
    "decisions_stay",
  ],
  [
    "a decision about another amount",
    `UPDATE payments SET amount = 61 WHERE order_id = '${order(1)}'`,
    "decisions_stay",
  ],
  ["a line that is changed", "UPDATE transfers SET amount = 1", "transfers_stay"],
  ["a line that is deleted", "DELETE FROM transfers WHERE kind = 'refund'", "transfers_stay"],
  ["an account that is deleted", "DELETE FROM accounts", "accounts_stay"],
  ["a decision that is deleted", "DELETE FROM payments", "payments_stay"],
  ["an emptied history", "TRUNCATE transfers", "the_ledger_is_emptied_together"],
]

describe("the ledger", () => {
  it.scopedLive("refuses by itself, whoever writes", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* ledger
      for (const [what, statement, rule] of forbidden) {
        const outcome = yield* Effect.either(Effect.mapError(sql.unsafe(statement), broken))
        expect([what, outcome._tag === "Left" ? outcome.left : "taken"]).toEqual([what, rule])
      }
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("takes what is whole: a top-up and a payment by hand, and emptying all of it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* ledger
      yield* sql.unsafe(together(line(5, "payment", 10, 30, order(4)), moved, paid(4, 10)))
      yield* sql.unsafe(
        together(
          line(6, "topup", 1, 31),
          account("balance = 31, funded = funded + 1, version = 6, updated_at = now()"),
        ),
      )
      yield* sql.unsafe(account("updated_at = now()"))
      expect(yield* imbalance).toEqual(balanced)
      yield* sql`TRUNCATE accounts, payments, transfers`
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("holds a change to one statement, so that its halves cannot be committed by themselves", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* ledger
      const halves = transaction(
        Effect.zipRight(
          sql.unsafe(account("balance = 41, funded = funded + 1, version = 5")),
          sql.unsafe(line(5, "topup", 1, 41)),
        ),
      )
      expect(broken(yield* Effect.flip(halves))).toBe("accounts_move_with_their_transfers")
    }).pipe(Effect.provide(database)),
  )
})
