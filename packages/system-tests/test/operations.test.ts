import { readFileSync } from "node:fs"
import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { repository } from "@tandem/dev-stack/StateDirectory"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parse } from "yaml"
import { call, eventually, settled } from "../src/Client.js"

const read = (path: string) => readFileSync(`${repository}/${path}`, "utf8")
const page = read("docs/operations.md")

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly description: string }
}

const rules = (
  parse(read("docs/alerts.yaml")) as { readonly groups: ReadonlyArray<{ name: string; rules: ReadonlyArray<Rule> }> }
).groups.flatMap((group) => group.rules)

const metric = /\b(?:messaging|http_server|tandem|db_client|nodejs|process|effect)_[a-z_]+\b/g
const family = (name: string) =>
  name.replace(/_(bucket|sum|count)$/, (part) => (name === "db_client_connection_count" ? part : ""))

/** The metrics in the page's table, by the service that has them. */
const documented = (service: "order" | "payment"): ReadonlyArray<string> =>
  [...page.matchAll(/^\| `([a-z_]+)` \| (both|order|payment) \|/gm)]
    .flatMap(([, name = "", where]) => (where === "both" || where === service ? [name] : []))
    .sort()

const exposed = async (url: string): Promise<ReadonlyArray<string>> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  return [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name).sort()
}

const connect = async (url: string) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

/** Done when a service waits for a lock that this connection holds. */
const waitedFor = (client: pg.Client, service: string) =>
  eventually(`${service} to wait`, async () => {
    const { rowCount } = await client.query(
      "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND pg_backend_pid() = ANY(pg_blocking_pids(pid))",
      [service],
    )
    return rowCount !== 0 || undefined
  })

const topUpByHand = `
  WITH moved AS (
    UPDATE accounts SET balance = balance + 1, funded = funded + 1, version = version + 1 WHERE user_id = 'm'
    RETURNING user_id, balance, version
  )
  INSERT INTO transfers (account, account_version, id, kind, debit_account, credit_account, amount, balance_after, at)
  SELECT 'user:' || user_id, version, gen_random_uuid(), 'topup', 'funding', 'user:' || user_id, 1, balance, now() FROM moved`

describe("operations", () => {
  let stack: Stack
  let databases: Record<keyof Stack["databaseUrls"], pg.Client>
  beforeAll(async () => {
    stack = await startStack({ durable: false, env: { PAYMENT_TIMEOUT: "1 second" } })
    const { orders, payments, broker } = stack.databaseUrls
    databases = { orders: await connect(orders), payments: await connect(payments), broker: await connect(broker) }
  }, 120_000)
  afterAll(async () => {
    await Promise.all(Object.values(databases ?? {}).map((client) => client.end()))
    await stack?.stop()
  }, 60_000)

  it("knows every metric that a service in trouble has, and no other", async () => {
    const { orders, payments, broker } = databases
    const place = async () => String((await call("POST", `${stack.orderUrl}/orders?userId=m&amount=1`)).body["id"])
    await call("POST", `${stack.paymentUrl}/accounts?userId=m&amount=1000`)

    // The account changes between being read and being written by a refund's settlement, and then the order does. Where the machine is too
    // slow for it, a wait for a lock has run out meanwhile.
    const raced = async () => {
      const id = await place()
      await settled(stack.orderUrl, id)
      await payments.query("BEGIN")
      await payments.query(topUpByHand)
      await call("POST", `${stack.orderUrl}/orders/${id}/refund`)
      await waitedFor(payments, "payment-service")
      await orders.query("BEGIN")
      await orders.query("UPDATE orders SET version = version + 1 WHERE id = $1", [id])
      await payments.query("COMMIT")
      await waitedFor(orders, "order-service")
      await orders.query("COMMIT")
      await eventually("the refund", async () => {
        const { body } = await call("GET", `${stack.orderUrl}/orders/${id}`)
        return body["status"] === "REFUNDED" || undefined
      })
      return (
        (await exposed(stack.orderUrl)).includes("tandem_order_settlement_version_misses_total") &&
        (await exposed(stack.paymentUrl)).includes("tandem_settlement_version_misses_total")
      )
    }
    for (let tries = 0; tries < 5 && !(await raced()); tries++);

    // No answer for longer than PAYMENT_TIMEOUT.
    await payments.query("BEGIN")
    await payments.query("SELECT 1 FROM accounts WHERE user_id = 'm' FOR UPDATE")
    const late = await place()
    await eventually(
      "the late order to ask",
      async () => (await exposed(stack.orderUrl)).includes("tandem_order_unanswered_asked_total") || undefined,
    )
    await payments.query("COMMIT")
    await settled(stack.orderUrl, late)

    // Everything that was said is said again, the broker goes away, and something unreadable waits in both outboxes.
    await broker.query(`
      SELECT publish(array_agg(topic), array_agg(partition), array_agg(key), array_agg(value), array_agg(headers::text))
      FROM records`)
    await broker.query("ALTER DATABASE broker CONNECTION LIMIT 0")
    await broker.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'broker' AND pid <> pg_backend_pid()",
    )
    const unreadable = "INSERT INTO outbox_events (topic, key, value, headers) VALUES ($1, 'm', '\\x00', '{}')"
    await orders.query(unreadable, ["payment-requests"])
    await payments.query(unreadable, ["payment-results"])
    for (const url of [stack.orderUrl, stack.paymentUrl]) {
      await eventually(
        "publishing to fail",
        async () => (await exposed(url)).includes("messaging_outbox_publish_failures_total") || undefined,
      )
    }
    await broker.query("ALTER DATABASE broker CONNECTION LIMIT -1")

    for (const [service, url] of [
      ["order", stack.orderUrl],
      ["payment", stack.paymentUrl],
    ] as const) {
      await eventually(
        `the ${service} service's dead letter`,
        async () => (await exposed(url)).includes("messaging_dead_letters_total") || undefined,
      )
      expect([service, await exposed(url)]).toEqual([service, documented(service)])
    }
  }, 120_000)

  it("names metrics that exist, in the page and in every alarm, and says of every alarm what to do", () => {
    const known = new Set([...documented("order"), ...documented("payment")])
    for (const text of [page, ...rules.map(({ expr }) => expr)]) {
      for (const [name] of text.matchAll(metric)) expect([...known], text.slice(0, 200)).toContain(family(name))
    }
    expect(rules.length).toBeGreaterThan(8)
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { alert, expr, labels, annotations, for: wait } of rules) {
      expect([alert, [...expr.matchAll(metric)].length > 0 || expr.startsWith("up{")]).toEqual([alert, true])
      for (const [open, close] of ["()", "{}", "[]"]) {
        expect([alert, expr.split(open ?? "").length]).toEqual([alert, expr.split(close ?? "").length])
      }
      expect(wait ?? "1m").toMatch(/^\d+[smh]$/)
      expect(["page", "ticket"]).toContain(labels.severity)
      expect([annotations.summary, annotations.description]).toEqual([expect.any(String), expect.any(String)])
      expect(page).toContain(`| \`${alert}\` |`)
    }
    expect([...page.matchAll(/^\| `(Tandem\w+)` \|/gm)].map(([, name]) => name)).toEqual(
      rules.map(({ alert }) => alert),
    )
  })
})
