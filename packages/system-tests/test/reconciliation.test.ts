import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { call, eventually, settled } from "../src/Client.js"
import { reconcile } from "../src/Reconcile.js"

const execute = async (url: string, ...statements: ReadonlyArray<string>) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

const order = async (stack: Stack, userId: string, amount: number) =>
  String((await call("POST", `${stack.orderUrl}/orders?userId=${userId}&amount=${amount}`)).body["id"])

/** No patience: everything that is open is overdue. */
const impatient = ["--settle-grace", "0 seconds", "--payment-timeout", "0 seconds", "--recheck-after", "1 second"]

describe("reconciliation of a running system", () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ durable: false })
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  it("gives no false alarm while orders are placed and paid", async () => {
    await call("POST", `${stack.paymentUrl}/accounts?userId=live&amount=100000`)
    let done = false
    let placed = 0
    const placeOrders = async () => {
      while (!done) {
        await order(stack, "live", 1 + (placed++ % 3))
      }
    }
    const clients = Promise.all(Array.from({ length: 4 }, placeOrders))
    try {
      // Old enough to be judged, while others are under way.
      const first = await order(stack, "live", 1)
      await settled(stack.orderUrl, first)
      for (let check = 0; check < 2; check++) {
        const { code, report, errors } = await reconcile(stack, "--settle-grace", "2 seconds")
        expect({ code, errors, findings: report?.findings }).toEqual({ code: 0, errors: "", findings: [] })
        expect(report?.orders).toBeGreaterThan(check * 10)
      }
      expect((await reconcile(stack, "--settle-grace", "10 minutes")).report?.pending).toBeGreaterThan(0)
    } finally {
      done = true
      await clients
    }
  }, 120_000)

  it("repairs an order that has not heard the decision: the payment service answers again", async () => {
    await call("POST", `${stack.paymentUrl}/accounts?userId=deaf&amount=100`)
    const id = await order(stack, "deaf", 30)
    await settled(stack.orderUrl, id)
    await execute(
      stack.databaseUrls.orders,
      `UPDATE orders SET status = 'NEW', settled_at = NULL, version = version + 1 WHERE id = '${id}'`,
      "DELETE FROM notifications WHERE user_id = 'deaf'",
      "DELETE FROM notification_counters WHERE user_id = 'deaf'",
    )
    const repairing = await reconcile(
      stack,
      ...[...impatient, "--repair", "unheard-decision", "--actor", "test", "--yes"],
    )
    expect(repairing.report?.findings).toMatchObject([{ kind: "unheard-decision", ids: { orderId: id } }])
    expect(repairing).toMatchObject({ code: 1, errors: "", report: { repairs: { "unheard-decision": 1 } } })
    expect(await settled(stack.orderUrl, id)).toMatchObject({ status: "FINISHED", reason: null })
    expect((await call("GET", `${stack.paymentUrl}/accounts/deaf`)).body).toMatchObject({ balance: 70, version: 2 })
    expect(await reconcile(stack, ...impatient)).toMatchObject({ code: 0, report: { findings: [] } })
  }, 120_000)

  it("repairs an order whose request was lost: it is cancelled, and nobody is charged", async () => {
    await call("POST", `${stack.paymentUrl}/accounts?userId=lost&amount=100`)
    const id = "01900000-0000-7000-8000-0000000000aa"
    await execute(
      stack.databaseUrls.orders,
      `INSERT INTO orders (id, user_id, amount, status, version, created_at, updated_at)
       VALUES ('${id}', 'lost', 30, 'NEW', 1, now(), now())`,
    )
    const repair = [...impatient, "--repair", "unanswered-order", "--actor", "test", "--yes"]
    const repairing = await reconcile(stack, ...repair)
    expect(repairing.report?.findings).toMatchObject([{ kind: "unanswered-order", ids: { orderId: id } }])
    expect(await settled(stack.orderUrl, id)).toMatchObject({ status: "CANCELLED", reason: "PaymentTimeout" })
    expect((await call("GET", `${stack.paymentUrl}/accounts/lost`)).body).toMatchObject({ balance: 100, version: 1 })
    expect(await reconcile(stack, ...impatient)).toMatchObject({ code: 0, report: { findings: [] } })
  }, 120_000)

  it("repairs an order whose refund was lost: the money comes back once, however often it is repaired", async () => {
    await call("POST", `${stack.paymentUrl}/accounts?userId=back&amount=100`)
    const id = await order(stack, "back", 30)
    await settled(stack.orderUrl, id)
    await execute(stack.databaseUrls.orders, `UPDATE orders SET refund_asked_at = now() WHERE id = '${id}'`)
    const repair = [...impatient, "--repair", "unanswered-order", "--actor", "test", "--yes"]
    await Promise.all([reconcile(stack, ...repair), reconcile(stack, ...repair)])
    await eventually("the refund", async () => {
      const { body } = await call("GET", `${stack.orderUrl}/orders/${id}`)
      return body["status"] === "REFUNDED" || undefined
    })
    expect((await call("GET", `${stack.paymentUrl}/accounts/back`)).body).toMatchObject({ balance: 100, version: 3 })
    expect(await reconcile(stack, ...impatient)).toMatchObject({ code: 0, report: { findings: [] } })
  }, 120_000)
})
