import type { SimulatedDatabase } from "./Database.js"
import type { Operation, Schedule } from "./Schedule.js"
import type { Witness } from "./Witness.js"

/** Both databases. */
export interface Databases {
  readonly order: SimulatedDatabase
  readonly payment: SimulatedDatabase
}

const count = async (database: SimulatedDatabase, text: string): Promise<number> =>
  Number((await database.rows(`SELECT count(*) AS n FROM ${text}`))[0]?.["n"])

/** Whether everything that was asked has been done, and nothing waits to be sent. */
export const isQuiet = async ({ order, payment }: Databases, poison: number): Promise<boolean> => {
  const open = await count(
    order,
    "orders WHERE status = 'NEW' OR (status = 'FINISHED' AND refund_asked_at IS NOT NULL)",
  )
  const unsent = (await count(order, "outbox_events")) + (await count(payment, "outbox_events"))
  // Each once, however often the broker delivered it.
  const letters = "(SELECT DISTINCT value FROM dead_letters) AS letters"
  const dead = (await count(order, letters)) + (await count(payment, letters))
  return open === 0 && unsent === 0 && dead >= poison
}

/** Every pair of an order's end and a payment's that may stand together. */
const agreeing: ReadonlySet<string> = new Set([
  "FINISHED SUCCEEDED",
  "REFUNDED REFUNDED",
  "CANCELLED DECLINED",
  "CANCELLED CANCELLED",
  "CANCELLED REFUNDED",
])

/** What is wrong once everything should be done; `done` are the operations that were answered. */
export const violationsOf = async (
  { order, payment }: Databases,
  schedule: Schedule,
  done: ReadonlySet<Operation>,
  witness: Witness,
): Promise<ReadonlyArray<string>> => {
  const violations: Array<string> = []
  const fail = (rule: string, rows: ReadonlyArray<unknown>) => {
    if (rows.length > 0) violations.push(`${rule}: ${rows.map((row) => JSON.stringify(row)).join(", ")}`)
  }
  const orders = await order.rows(
    "SELECT id, user_id, amount, status, reason, version, cancel_asked_at, refund_asked_at FROM orders ORDER BY id",
  )
  const payments = new Map(
    (await payment.rows("SELECT order_id, user_id, amount, status, reason FROM payments")).map((row) => [
      row["order_id"],
      row,
    ]),
  )
  const known = new Set(orders.map(({ id }) => id))
  fail(
    "accepted orders that are lost",
    schedule.operations.filter((one) => one.kind === "order" && done.has(one) && !known.has(one.id)),
  )
  fail(
    "orders without an end",
    orders.filter(
      ({ status, refund_asked_at }) => status === "NEW" || (status === "FINISHED" && refund_asked_at !== null),
    ),
  )
  fail(
    "orders that say something else than their payments",
    orders.flatMap((row) => {
      const decided = payments.get(row["id"] ?? "")
      return agreeing.has(`${row["status"]} ${decided?.["status"]}`) ? [] : [{ order: row, payment: decided ?? null }]
    }),
  )
  fail(
    "payments without an order",
    [...payments.keys()].filter((id) => !known.has(id ?? "")),
  )

  fail(
    "payments for another user or amount than was ordered",
    orders.filter((row) => {
      const decided = payments.get(row["id"] ?? "")
      return decided !== undefined && (decided["user_id"] !== row["user_id"] || decided["amount"] !== row["amount"])
    }),
  )
  fail(
    "orders whose version is not the number of their changes",
    orders.filter((row) => {
      const asked = Number(row["cancel_asked_at"] !== null) + Number(row["refund_asked_at"] !== null)
      const ended = row["status"] === "NEW" ? 0 : row["status"] === "REFUNDED" ? 2 : 1
      return Number(row["version"]) !== 1 + asked + ended
    }),
  )

  const accounts = await payment.rows("SELECT user_id, balance, funded, version FROM accounts")
  const spent = (userId: string | null | undefined) =>
    orders
      .filter((row) => row["user_id"] === userId && row["status"] === "FINISHED")
      .reduce((sum, row) => sum + Number(row["amount"]), 0)
  fail(
    "balances that are not the top-ups less the finished orders",
    accounts
      .filter(
        ({ user_id, balance, funded }) => Number(funded) - spent(user_id) !== Number(balance) || Number(balance) < 0,
      )
      .map((account) => ({ ...account, spent: spent(account["user_id"]) })),
  )
  const answered = (userId: string | null | undefined, only: boolean) =>
    schedule.operations.reduce(
      (sum, one) =>
        one.kind === "top up" && one.userId === userId && (!only || done.has(one)) ? sum + one.amount : sum,
      0,
    )
  fail(
    "accounts that were funded with less than was answered, or more than was asked",
    accounts.filter(
      ({ user_id, funded }) => Number(funded) < answered(user_id, true) || Number(funded) > answered(user_id, false),
    ),
  )
  fail(
    "accounts whose version is not the number of their transfers",
    await payment.rows(
      `SELECT user_id, version, n FROM accounts LEFT JOIN (SELECT account, count(*) AS n FROM transfers GROUP BY account) AS changes
       ON account = 'user:' || user_id WHERE version IS DISTINCT FROM n`,
    ),
  )
  fail(
    "orders paid or refunded more than once",
    await payment.rows(
      "SELECT order_id, kind FROM transfers WHERE order_id IS NOT NULL GROUP BY order_id, kind HAVING count(*) > 1",
    ),
  )

  fail(
    "notifications with a gap",
    await order.rows(
      `SELECT user_id, seq, n, last FROM notification_counters
       LEFT JOIN (SELECT user_id, count(*) AS n, max(seq) AS last FROM notifications GROUP BY user_id) AS told USING (user_id)
       WHERE n IS DISTINCT FROM seq OR last IS DISTINCT FROM seq`,
    ),
  )
  fail(
    "orders whose user was told last of something else",
    await order.rows(
      `SELECT id, orders.status, told.status AS told FROM orders
       LEFT JOIN (SELECT DISTINCT ON (order_id) order_id, status FROM notifications ORDER BY order_id, seq DESC) AS told ON order_id = id
       WHERE told.status IS DISTINCT FROM orders.status`,
    ),
  )
  fail(
    "changes that a user was told twice",
    await order.rows("SELECT order_id, status FROM notifications GROUP BY order_id, status HAVING count(*) > 1"),
  )

  fail("messages of one user that were sent in another order than they were written in", witness.disorder)
  fail("messages that were never sent", [
    ...(await order.rows("SELECT id, topic, key FROM outbox_events")),
    ...(await payment.rows("SELECT id, topic, key FROM outbox_events")),
  ])
  const marks = schedule.faults.flatMap((fault) => (fault.kind === "poison" ? [fault.mark] : []))
  const letters = [order, payment].map((database) =>
    database.rows("SELECT encode(value, 'escape') AS value, error FROM dead_letters"),
  )
  const dead = (await Promise.all(letters)).flat()
  fail(
    "dead letters that are no poison",
    dead.filter(({ value }) => !marks.includes(value ?? "")),
  )
  fail(
    "poison that is no dead letter",
    marks.filter((mark) => !dead.some(({ value }) => value === mark)),
  )
  return violations
}
