import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Answer, call, eventually, settled } from "../src/Client.js"

describe("the saga over both services", () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ broker: "postgres", env: { PAYMENT_TIMEOUT: "3 seconds" } })
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  const order = async (userId: string, amount: number) => {
    const { body } = await call("POST", `${stack.orderUrl}/orders?userId=${userId}&amount=${amount}`)
    return String(body["id"])
  }
  const topUp = (userId: string, amount: number) =>
    call("POST", `${stack.paymentUrl}/accounts?userId=${userId}&amount=${amount}`)
  const ask = (id: string, what: "cancel" | "refund", body?: unknown) =>
    call("POST", `${stack.orderUrl}/orders/${id}/${what}`, body)
  const get = (url: string): Promise<Answer> => call("GET", url)
  const statuses = async (id: string) => {
    const { body } = await get(`${stack.orderUrl}/orders/${id}/history`)
    const items = body["items"] as ReadonlyArray<{ status: string; reason: string | null; at: string }>
    expect(items.map(({ at }) => at)).toEqual(items.map(({ at }) => at).toSorted())
    return items.map(({ status, reason }) => [status, reason])
  }
  const balance = async (userId: string) => (await get(`${stack.paymentUrl}/accounts/${userId}`)).body["balance"]
  const problem = (answer: Answer) => [answer.status, answer.body["type"]]

  it("refunds a finished order, tells its whole history, and gives the money back", async () => {
    await topUp("refunded", 1000)
    const id = await order("refunded", 400)
    expect((await settled(stack.orderUrl, id))["status"]).toBe("FINISHED")
    expect(await balance("refunded")).toBe(600)
    expect(problem(await ask(id, "cancel"))).toEqual([409, "urn:tandem:problem:order-already-settled"])
    const asked = await ask(id, "refund")
    expect([asked.status, asked.body["id"]]).toEqual([202, id])
    expect((await ask(id, "refund")).status).toBe(202)
    await eventually("the refund", async () => (await balance("refunded")) === 1000 || undefined)
    await eventually("the order to hear of it", async () => (await statuses(id)).length === 3 || undefined)
    expect(await statuses(id)).toEqual([
      ["NEW", null],
      ["FINISHED", null],
      ["REFUNDED", "RefundedByUser"],
    ])
    expect((await ask(id, "refund")).status).toBe(202)
    const payment = await get(`${stack.paymentUrl}/payments/${id}`)
    expect(payment.body).toMatchObject({ status: "REFUNDED", reason: "RefundedByUser", amount: 400 })
    const transfers = (await get(`${stack.paymentUrl}/accounts/refunded/transfers`)).body["items"] as ReadonlyArray<
      Record<string, unknown>
    >
    expect(transfers.map(({ kind, direction, balanceAfter }) => [kind, direction, balanceAfter])).toEqual([
      ["refund", "credit", 1000],
      ["payment", "debit", 600],
      ["topup", "credit", 1000],
    ])
  }, 60_000)

  it("has nothing to give back of an order that was never paid", async () => {
    const id = await order("nobody", 5)
    expect(await settled(stack.orderUrl, id)).toMatchObject({ status: "CANCELLED", reason: "AccountNotFound" })
    expect(problem(await ask(id, "refund"))).toEqual([409, "urn:tandem:problem:order-already-settled"])
    expect(problem(await ask(id, "cancel"))).toEqual([409, "urn:tandem:problem:order-already-settled"])
  }, 60_000)

  it("refuses what it cannot understand, and knows no order that is not there", async () => {
    const id = await order("strict", 5)
    expect(problem(await ask(id, "cancel", { reason: "x" }))).toEqual([400, "urn:tandem:problem:invalid-request"])
    for (const what of ["cancel", "refund"] as const) {
      const missing = ["01936f4e-8f2a-7c3b-9d4e-5f6071829304", "1", "%00"]
      for (const id of missing) {
        expect(problem(await ask(id, what))).toEqual([404, "urn:tandem:problem:order-not-found"])
      }
    }
    expect(problem(await get(`${stack.orderUrl}/orders/1/history`))).toEqual([
      404,
      "urn:tandem:problem:order-not-found",
    ])
    expect((await call("GET", `${stack.orderUrl}/orders/${id}/cancel`)).status).toBe(405)
  }, 60_000)

  it("cancels before anything is paid, though the payment service hears of both only later", async () => {
    await topUp("early", 1000)
    stack.services.payment.signal("SIGSTOP")
    const id = await order("early", 400)
    const asked = await ask(id, "cancel", {})
    expect([asked.status, asked.body["status"], asked.body["version"]]).toEqual([202, "NEW", 2])
    expect((await ask(id, "cancel")).body["version"]).toBe(2)
    expect(problem(await ask(id, "refund"))).toEqual([409, "urn:tandem:problem:order-already-settled"])
    stack.services.payment.signal("SIGCONT")
    expect(await settled(stack.orderUrl, id)).toMatchObject({ status: "CANCELLED", reason: "CancelledByUser" })
    expect((await ask(id, "cancel")).status).toBe(202)
    await eventually("the money to be there whole", async () => (await balance("early")) === 1000 || undefined)
    expect(await statuses(id)).toEqual([
      ["NEW", null],
      ["CANCELLED", "CancelledByUser"],
    ])
  }, 60_000)

  it("lets an order cancel itself when no answer comes, and asks until one does", async () => {
    await topUp("timeout", 1000)
    stack.services.payment.signal("SIGSTOP")
    const id = await order("timeout", 400)
    await eventually("the order to ask for its cancellation", async () => {
      const { body } = await get(`${stack.orderUrl}/orders/${id}`)
      return body["version"] === 2 || undefined
    })
    stack.services.payment.signal("SIGCONT")
    expect(await settled(stack.orderUrl, id)).toMatchObject({ status: "CANCELLED", reason: "PaymentTimeout" })
    await eventually("the money to be there whole", async () => (await balance("timeout")) === 1000 || undefined)
  }, 60_000)
})
