import { Effect, Redacted } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type CheckOptions, check } from "../../src/Reconciliation.js"
import { connect } from "../../src/sql/Snapshot.js"
import { copySample, dropSample, eventually, execute, order, prepareSample, rows, type Sample } from "../system.js"

let original: Sample
beforeAll(async () => {
  original = await prepareSample()
})
afterAll(() => original === undefined || dropSample(original))

const minute = 60_000
const standard: CheckOptions = {
  settleGrace: minute,
  paymentTimeout: 15 * minute,
  outboxLimit: minute,
  recheckAfter: 0,
  limit: 100,
}

const checkSample = (sample: Sample, options: Partial<CheckOptions> = {}) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const orders = yield* connect("order", Redacted.make(sample.orders.url))
        const payments = yield* connect("payment", Redacted.make(sample.payments.url))
        return yield* check({ orders, payments }, { ...standard, ...options })
      }),
    ),
  )

const withSample = async <A>(work: (sample: Sample) => Promise<A>): Promise<A> => {
  const sample = await copySample(original)
  try {
    return await work(sample)
  } finally {
    await dropSample(sample)
  }
}

const paid = order(1)
const declined = order(2)
const refunded = order(3)
const fresh = "01900000-0000-7000-8000-0000000000ff"
const newOrder = (ago: string, columns = "", values = "") =>
  `INSERT INTO orders (id, user_id, amount, status, version, created_at, updated_at${columns})
   VALUES ('${fresh}', 'u1', 5, 'NEW', 1, now() - interval '${ago}', now() - interval '${ago}'${values})`
const newPayment = (ago: string) =>
  `INSERT INTO payments (order_id, user_id, amount, status, reason, balance_after, decided_at, updated_at)
   VALUES ('${fresh}', 'u1', 5, 'DECLINED', 'InsufficientFunds', NULL, now() - interval '${ago}', now() - interval '${ago}')`

const wrong: ReadonlyArray<{
  readonly rule: string
  readonly orders?: ReadonlyArray<string>
  readonly payments?: ReadonlyArray<string>
  readonly finds: ReadonlyArray<string>
}> = [
  {
    rule: "an order that waits for longer than the payment timeout and its grace",
    orders: [newOrder("17 minutes")],
    finds: [`unanswered-order ${fresh}`],
  },
  {
    rule: "a cancellation that nobody answers",
    orders: [
      newOrder("1 hour", ", cancel_asked_at, cancel_reason", ", now() - interval '17 minutes', 'CancelledByUser'"),
    ],
    finds: [`unanswered-order ${fresh}`],
  },
  {
    rule: "a refund that nobody answers",
    orders: [`UPDATE orders SET refund_asked_at = now() - interval '17 minutes' WHERE id = '${paid}'`],
    finds: [`unanswered-order ${paid}`],
  },
  {
    rule: "a decision that the order has not heard",
    orders: [newOrder("2 minutes")],
    payments: [newPayment("2 minutes")],
    finds: [`unheard-decision ${fresh}`],
  },
  {
    rule: "a refund that the order has not heard",
    orders: [
      `UPDATE orders SET status = 'FINISHED', reason = NULL, refunded_at = NULL WHERE id = '${refunded}'`,
      "DELETE FROM notifications WHERE user_id = 'u1' AND seq = 5",
      "UPDATE notification_counters SET seq = 4 WHERE user_id = 'u1'",
    ],
    finds: [`unheard-decision ${refunded}`],
  },
  {
    rule: "a settled order without a decision",
    payments: [`DELETE FROM payments WHERE order_id = '${declined}'`],
    finds: [`order-without-decision ${declined}`],
  },
  {
    rule: "a decision without an order",
    payments: [newPayment("2 minutes")],
    finds: [`decision-without-order ${fresh}`],
  },
  {
    rule: "another amount",
    orders: [`UPDATE orders SET amount = 299 WHERE id = '${paid}'`],
    finds: [`terms-mismatch ${paid}`],
  },
  {
    rule: "another user",
    payments: [`UPDATE payments SET user_id = 'u9' WHERE order_id = '${declined}'`],
    finds: [`terms-mismatch ${declined}`],
  },
  {
    rule: "an order that ended otherwise than its payment",
    orders: [`UPDATE orders SET status = 'CANCELLED', reason = 'InsufficientFunds' WHERE id = '${paid}'`],
    finds: [`state-mismatch ${paid}`],
  },
  {
    rule: "an order that ended for another reason than its payment",
    orders: [`UPDATE orders SET reason = 'InsufficientFunds' WHERE id = '${declined}'`],
    finds: [`state-mismatch ${declined}`],
  },
  {
    rule: "a balance that its transfers do not lead to",
    payments: ["UPDATE accounts SET balance = balance + 1 WHERE user_id = 'u1'"],
    finds: ["balance-mismatch user:u1", "unbalanced-books"],
  },
  {
    rule: "a version without its transfer",
    payments: ["UPDATE accounts SET version = version + 1 WHERE user_id = 'u1'"],
    finds: ["balance-mismatch user:u1"],
  },
  {
    rule: "funding that no top-up brought",
    payments: ["UPDATE accounts SET funded = funded + 1 WHERE user_id = 'u1'"],
    finds: ["balance-mismatch user:u1"],
  },
  {
    rule: "an account that is gone",
    payments: ["DELETE FROM accounts WHERE user_id = 'u1'"],
    finds: ["balance-mismatch user:u1", "unbalanced-books"],
  },
  {
    rule: "a user's money from nowhere",
    payments: [
      `INSERT INTO accounts (user_id, balance, funded, version, created_at, updated_at) VALUES ('u3', 9, 9, 1, now(), now())`,
    ],
    finds: ["balance-mismatch user:u3", "unbalanced-books"],
  },
  {
    rule: "a version that the chain leaves out",
    payments: [
      "UPDATE transfers SET account_version = account_version + 1 WHERE account_version = 6",
      "UPDATE accounts SET version = 7 WHERE user_id = 'u1'",
    ],
    finds: ["balance-mismatch user:u1", "broken-chain user:u1"],
  },
  {
    rule: "a balance that does not follow from the one before",
    payments: ["UPDATE transfers SET balance_after = balance_after + 1 WHERE account_version = 4"],
    finds: ["broken-chain user:u1"],
  },
  {
    rule: "a transfer over another amount",
    payments: ["UPDATE transfers SET amount = amount + 1 WHERE account_version = 2"],
    finds: ["balance-mismatch user:u1", "broken-chain user:u1", `transfer-mismatch ${paid}`, "unbalanced-books"],
  },
  {
    rule: "a payment without its transfer",
    payments: [
      "DELETE FROM transfers WHERE account_version = 6",
      "UPDATE accounts SET version = 5, balance = 600 WHERE user_id = 'u1'",
    ],
    finds: [`payment-without-transfer ${order(5)}`],
  },
  {
    rule: "a transfer without its payment",
    orders: [
      `DELETE FROM orders WHERE id = '${paid}'`,
      "UPDATE notification_counters SET seq = 4 WHERE user_id = 'u1'",
      "DELETE FROM notifications WHERE user_id = 'u1' AND seq = 5",
    ],
    payments: [`DELETE FROM payments WHERE order_id = '${paid}'`],
    finds: [`transfer-without-payment ${paid}`],
  },
  {
    rule: "an order that was paid twice",
    payments: [
      "DROP INDEX transfers_pay_an_order_once",
      `INSERT INTO transfers (account, account_version, id, kind, debit_account, credit_account, amount, balance_after, order_id, at)
       VALUES ('user:u1', 7, gen_random_uuid(), 'payment', 'user:u1', 'settlement', 300, 400, '${paid}', now())`,
      "UPDATE accounts SET version = 7, balance = 400 WHERE user_id = 'u1'",
    ],
    finds: [`transfer-without-payment ${paid}`],
  },
  {
    rule: "a number that is missing among the notifications",
    orders: ["DELETE FROM notifications WHERE user_id = 'u1' AND seq = 3"],
    finds: ["notification-gap u1"],
  },
  {
    rule: "a counter that is not at the last notification",
    orders: ["UPDATE notification_counters SET seq = 6 WHERE user_id = 'u1'"],
    finds: ["notification-gap u1"],
  },
  {
    rule: "a change of an order that nobody was told of",
    orders: [
      "DELETE FROM notifications WHERE user_id = 'u2'",
      "DELETE FROM notification_counters WHERE user_id = 'u2'",
    ],
    finds: ["notification-gap u2"],
  },
  {
    rule: "messages that wait in either outbox",
    orders: ["INSERT INTO outbox_events (topic, headers, created_at) VALUES ('t', '{}', now() - interval '2 minutes')"],
    payments: [
      "INSERT INTO outbox_events (topic, headers, created_at) VALUES ('t', '{}', now() - interval '2 minutes')",
    ],
    finds: ["stuck-outbox order", "stuck-outbox payment"],
  },
  {
    rule: "dead letters of either service",
    orders: [
      "INSERT INTO dead_letters (consumer, topic, partition, message_offset, headers, error, attempts) VALUES ('c', 't', 0, 1, '{}', 'e', 1)",
    ],
    payments: [
      "INSERT INTO dead_letters (consumer, topic, partition, message_offset, headers, error, attempts) VALUES ('c', 't', 0, 1, '{}', 'e', 1)",
    ],
    finds: ["dead-letter order", "dead-letter payment"],
  },
]

describe("reconciliation", { timeout: 60_000 }, () => {
  it("finds nothing in a system where nothing is wrong", async () => {
    const report = await withSample(checkSample)
    expect(report).toMatchObject({ orders: 5, payments: 5, pending: 0, findings: [], more: [] })
    expect(report.books).toEqual({ accounts: 1n, transfers: 6n, balances: 700n, funding: 1000n, settlement: 300n })
  })

  it.each(wrong)("finds $rule, and nothing else", async ({ orders = [], payments = [], finds }) => {
    const report = await withSample(async (sample) => {
      await execute(sample.orders.url, ...orders)
      await execute(sample.payments.url, ...payments)
      return checkSample(sample)
    })
    const found = report.findings.map(({ kind, ids }) =>
      [kind, ids["orderId"] ?? ids["account"] ?? ids["service"] ?? ids["userId"]].filter(Boolean).join(" "),
    )
    expect(found.sort()).toEqual([...finds].sort())
  })

  it("takes what is under way for pending", async () => {
    const report = await withSample(async (sample) => {
      await execute(sample.orders.url, newOrder("14 minutes"))
      await execute(
        sample.payments.url,
        newPayment("10 seconds").replaceAll(fresh, "01900000-0000-7000-8000-0000000000fe"),
        newPayment("10 seconds"),
        "INSERT INTO outbox_events (topic, headers) VALUES ('t', '{}')",
      )
      return checkSample(sample)
    })
    expect(report).toMatchObject({ findings: [], pending: 2 })
  })

  it("looks again at what may have been under way before it says anything", async () => {
    const report = await withSample(async (sample) => {
      await execute(sample.orders.url, newOrder("17 minutes"))
      const checking = checkSample(sample, { recheckAfter: 2_000 })
      await eventually("the first snapshots to be over", async () => {
        const ended = await rows(
          sample.orders.url,
          `SELECT 1 FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'tandem-reconcile' AND query = 'ROLLBACK'`,
        )
        return ended.length > 0
      })
      await execute(sample.orders.url, `DELETE FROM orders WHERE id = '${fresh}'`)
      return checking
    })
    expect(report.findings).toEqual([])
  })

  it("compares page by page, whatever is missing on either side", async () => {
    const report = await withSample(async (sample) => {
      await execute(sample.orders.url, `DELETE FROM orders WHERE id IN ('${order(1)}', '${order(2)}', '${order(3)}')`)
      await execute(sample.payments.url, `DELETE FROM payments WHERE order_id IN ('${order(4)}', '${order(5)}')`)
      return checkSample(sample, { pageSize: 1 })
    })
    const across = report.findings.filter(({ kind }) => kind.endsWith("decision") || kind.endsWith("-order"))
    expect(across.map(({ kind, ids }) => `${kind} ${ids["orderId"]}`)).toEqual([
      `order-without-decision ${order(4)}`,
      `order-without-decision ${order(5)}`,
      `decision-without-order ${order(1)}`,
      `decision-without-order ${order(2)}`,
      `decision-without-order ${order(3)}`,
    ])
  })

  it("lists a bounded number of findings of a kind, and says that there are more", async () => {
    const report = await withSample(async (sample) => {
      await execute(sample.orders.url, "DELETE FROM orders")
      return checkSample(sample, { limit: 2 })
    })
    expect(report.findings.filter(({ kind }) => kind === "decision-without-order")).toHaveLength(2)
    expect(report.more).toContain("decision-without-order")
  })
})
