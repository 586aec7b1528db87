import pg from "pg"
import { eventually } from "../Client.js"
import { reconcile } from "../Reconcile.js"
import type { RestlessClient } from "../RestlessClient.js"
import type { Observer } from "./Observer.js"
import type { FaultySystem } from "./System.js"
import type { Book } from "./Workload.js"

/** What is compared. */
export interface Checked {
  readonly book: Book
  readonly observer: Observer
  /** Marks of the poison that was put into the broker. */
  readonly poison: ReadonlySet<string>
  readonly listeners: ReadonlyArray<RestlessClient>
  /** As the services have it, as Effect reads a duration. */
  readonly paymentTimeout: string
}

/** How long a healthy system may take to finish what was asked of it, in seconds; it is done much sooner. */
const patience = 180

type Row = Readonly<Record<string, string | null>>

/**
 * Waits until a healthy system has finished everything that was asked of it, and says what is wrong then: nothing, if it keeps its
 * promises. Nobody may ask for anything meanwhile.
 */
export const check = async (system: FaultySystem, checked: Checked): Promise<ReadonlyArray<string>> => {
  const { book, observer, poison, listeners } = checked
  const { orders, payments } = system.databases
  const [orderRows, paymentRows] = await Promise.all([connect(orders.url), connect(payments.url)])
  const violations: Array<string> = []
  const fail = (rule: string, ...cases: ReadonlyArray<unknown>) => {
    if (cases.length === 0) return
    violations.push(`${rule}: ${cases.length}, such as ${cases.slice(0, 3).map(String).join("; ")}`)
  }
  try {
    await quiet(orderRows.query, paymentRows.query, poison).catch((fault: Error) => violations.push(fault.message))
    await eventually(
      "the observer to see every request",
      async () => observer.orders() >= book.orders.size || undefined,
      patience,
    ).catch((fault: Error) => violations.push(fault.message))
    fail("answers that no service may give", ...book.wrong)

    const stored = new Map(
      (await orderRows.query("SELECT id, user_id, amount, status FROM orders")).map((row) => [row["id"], row]),
    )
    const lost = [...book.orders].filter(([id, { userId, amount }]) => {
      const row = stored.get(id)
      return row?.["user_id"] !== userId || row["amount"] !== String(amount)
    })
    fail("accepted orders that are not there as they were accepted", ...lost.map(([id]) => id))
    fail("orders that nobody was told of", ...[...stored.keys()].filter((id) => id == null || !book.orders.has(id)))

    const accounts = await paymentRows.query("SELECT user_id, balance, funded, version FROM accounts")
    fail(
      "accounts that were not topped up with what was answered",
      ...accounts
        .filter(({ user_id, funded }) => book.funded.get(user_id ?? "") !== Number(funded))
        .map(({ user_id, funded }) => `${user_id}: ${funded} instead of ${book.funded.get(user_id ?? "")}`),
    )
    const spent = new Map<string, number>()
    for (const row of stored.values()) {
      if (row["status"] !== "FINISHED") continue
      spent.set(row["user_id"] ?? "", (spent.get(row["user_id"] ?? "") ?? 0) + Number(row["amount"]))
    }
    fail(
      "balances that are not the top-ups less the finished orders",
      ...accounts
        .filter(({ user_id, balance, funded }) => Number(funded) - (spent.get(user_id ?? "") ?? 0) !== Number(balance))
        .map(({ user_id, balance }) => `${user_id} ${balance}`),
    )
    fail("negative balances", ...accounts.filter(({ balance }) => Number(balance) < 0).map(({ user_id }) => user_id))
    fail(
      "accounts whose version is not the number of their changes",
      ...(
        await paymentRows.query(
          `SELECT user_id FROM accounts LEFT JOIN (SELECT account, count(*) AS n FROM transfers GROUP BY account) AS changes
           ON account = 'user:' || user_id WHERE version IS DISTINCT FROM n`,
        )
      ).map(({ user_id }) => user_id),
    )
    fail(
      "orders with more than one payment or refund",
      ...(
        await paymentRows.query(
          "SELECT order_id FROM transfers WHERE order_id IS NOT NULL GROUP BY order_id, kind HAVING count(*) > 1",
        )
      ).map(({ order_id }) => order_id),
    )
    fail(
      "users whose orders were not paid in the order of their requests",
      ...(await outOfOrder(paymentRows.query, observer)),
    )

    const letters = await Promise.all(
      [orderRows, paymentRows].map(({ query }) =>
        query("SELECT convert_from(value, 'UTF8') AS value FROM dead_letters"),
      ),
    )
    const found = new Set<string>()
    const innocent = letters.flat().filter(({ value }) => {
      const mark = /poison-[0-9a-f-]{36}/.exec(value ?? "")?.[0]
      if (mark !== undefined) found.add(mark)
      return mark === undefined
    })
    fail("dead letters that are no poison", ...innocent.map(({ value }) => value))
    fail("poison that is no dead letter", ...[...poison].filter((mark) => !found.has(mark)))

    violations.push(...(await checkPush(orderRows.query, listeners)))

    const { code, report, errors } = await reconcile(
      { databaseUrls: { orders: orders.url, payments: payments.url } },
      ...["--settle-grace", "0 seconds", "--payment-timeout", checked.paymentTimeout, "--recheck-after", "2 seconds"],
    )
    // Poison is a finding, and was looked at above.
    const findings = report?.findings.filter(({ kind }) => kind !== "dead-letter")
    fail(
      "findings of the reconciliation",
      ...(findings ?? [`${code} ${errors}`]).map((finding) => JSON.stringify(finding)),
    )
    return violations
  } finally {
    await Promise.all([orderRows.end(), paymentRows.end()])
  }
}

type Query = (text: string) => Promise<ReadonlyArray<Row>>

const connect = async (url: string): Promise<{ readonly query: Query; readonly end: () => Promise<void> }> => {
  const client = new pg.Client({ connectionString: url })
  client.on("error", () => undefined)
  await client.connect()
  return { query: async (text) => (await client.query<Row>(text)).rows, end: () => client.end() }
}

const quiet = (orders: Query, payments: Query, poison: ReadonlySet<string>) =>
  eventually(
    "every order to have its end, every message to be sent and all poison to be set aside",
    async () => {
      const [open] = await orders(
        `SELECT (SELECT count(*) FROM orders WHERE status = 'NEW' OR (status = 'FINISHED' AND refund_asked_at IS NOT NULL))
           + (SELECT count(*) FROM outbox_events) AS n, (SELECT count(*) FROM dead_letters) AS dead`,
      )
      const [unsent] = await payments(
        "SELECT (SELECT count(*) FROM outbox_events) AS n, (SELECT count(*) FROM dead_letters) AS dead",
      )
      const dead = Number(open?.["dead"]) + Number(unsent?.["dead"])
      return (open?.["n"] === "0" && unsent?.["n"] === "0" && dead >= poison.size) || undefined
    },
    patience,
  )

/** Users whose account was debited in another order than that in which their requests first stood in the broker. */
const outOfOrder = async (payments: Query, { requested }: Observer): Promise<ReadonlyArray<string>> => {
  const paid = new Map<string, Array<string>>()
  const rows = await payments(
    "SELECT account, order_id FROM transfers WHERE kind = 'payment' ORDER BY account, account_version",
  )
  for (const { account, order_id } of rows) {
    const userId = (account ?? "").slice("user:".length)
    const mine = paid.get(userId)
    if (mine === undefined) paid.set(userId, [order_id ?? ""])
    else mine.push(order_id ?? "")
  }
  return [...paid].flatMap(([userId, ids]) => {
    const places = new Map((requested.get(userId) ?? []).map((id, place) => [id, place]))
    const wrong = ids.findIndex((id, at) => at > 0 && (places.get(id) ?? -1) < (places.get(ids[at - 1] ?? "") ?? -1))
    return wrong < 0 ? [] : [`${userId} at order ${ids[wrong]}`]
  })
}

const checkPush = async (orders: Query, listeners: ReadonlyArray<RestlessClient>): Promise<ReadonlyArray<string>> => {
  const counters = new Map(
    (await orders("SELECT user_id, seq FROM notification_counters")).map((row) => [row["user_id"], Number(row["seq"])]),
  )
  const behind = () => listeners.filter(({ userId, last }) => last !== (counters.get(userId) ?? 0))
  await eventually(
    "every listener to be told everything",
    async () => behind().length === 0 || undefined,
    patience,
  ).catch(() => undefined)
  const gaps = await orders(
    `SELECT user_id FROM notification_counters LEFT JOIN (SELECT user_id, count(*) AS n, max(seq) AS last FROM notifications GROUP BY user_id) AS told
     USING (user_id) WHERE n IS DISTINCT FROM seq OR last IS DISTINCT FROM seq`,
  )
  return [
    ...behind().map(({ name, userId, last }) => `${name} was told up to ${last} of ${counters.get(userId) ?? 0}`),
    ...gaps.map(({ user_id }) => `the notifications of ${user_id} have a gap`),
  ]
}
