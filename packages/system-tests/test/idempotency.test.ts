import { randomUUID } from "node:crypto"
import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Answer, call, settled } from "../src/Client.js"

describe("Idempotency-Key over both services", () => {
  let stack: Stack
  let otherOrders: string
  beforeAll(async () => {
    stack = await startStack({ broker: "postgres" })
    otherOrders = (await stack.addInstance("order")).url
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  const post = (url: string, key: string, body?: unknown): Promise<Answer> =>
    call("POST", url, body, { "idempotency-key": key })
  const isReplay = ({ headers }: Answer) => headers.get("idempotent-replayed") === "true"
  const balance = async (userId: string) =>
    (await call("GET", `${stack.paymentUrl}/accounts/${userId}`)).body["balance"]
  const orders = async (userId: string) =>
    (await call("GET", `${stack.orderUrl}/orders?userId=${userId}&limit=200`)).body["items"] as ReadonlyArray<unknown>

  it("gives the first answer again, whichever form the command comes in and whichever instance it comes to", async () => {
    const topped = await post(`${stack.paymentUrl}/accounts?userId=again&amount=1000`, "t")
    const once = await post(`${stack.paymentUrl}/accounts`, "t", { amount: 1000, userId: "again" })
    expect([topped.status, isReplay(topped), once.status, isReplay(once)]).toEqual([201, false, 201, true])
    expect([once.body, once.headers.get("location")]).toEqual([topped.body, topped.headers.get("location")])
    expect(await balance("again")).toBe(1000)

    const first = await post(`${stack.orderUrl}/orders?userId=again&amount=10`, "o")
    const second = await post(`${otherOrders}/orders`, "o", { userId: "again", amount: 10 })
    expect([first.status, second.status, isReplay(second)]).toEqual([201, 201, true])
    expect([second.body, second.headers.get("location")]).toEqual([first.body, first.headers.get("location")])
    const id = String(first.body["id"])
    await settled(stack.orderUrl, id)
    expect(await orders("again")).toHaveLength(1)
    expect(await balance("again")).toBe(990)

    const refund = await post(`${stack.orderUrl}/orders/${id}/refund`, "o")
    const refundAgain = await post(`${otherOrders}/orders/${id}/refund`, "o", {})
    expect([refund.status, isReplay(refund), isReplay(refundAgain)]).toEqual([202, false, true])
    expect(refundAgain.body).toEqual(refund.body)
    const cancel = await post(`${stack.orderUrl}/orders/${id}/cancel`, "o")
    expect([cancel.status, cancel.body["type"]]).toEqual([409, "urn:tandem:problem:order-already-settled"])
  }, 60_000)

  it("refuses a key that was used for another command, and a key that is none", async () => {
    await post(`${stack.orderUrl}/orders?userId=reused&amount=1`, "k")
    await post(`${stack.paymentUrl}/accounts?userId=reused&amount=1`, "k")
    const reused = [
      await post(`${stack.orderUrl}/orders?userId=reused&amount=2`, "k"),
      await post(`${stack.paymentUrl}/accounts?userId=reused&amount=2`, "k"),
    ]
    for (const { status, body } of reused) {
      expect([status, body["type"]]).toEqual([422, "urn:tandem:problem:idempotency-key-reused"])
    }
    expect((await post(`${stack.orderUrl}/orders?userId=reused-by-another&amount=2`, "k")).status).toBe(201)
    for (const key of ["", "x".repeat(256), "a\tb", "\u00e9"]) {
      const { status, body } = await post(`${stack.orderUrl}/orders?userId=reused&amount=1`, key)
      expect([key.length, status, body["type"]]).toEqual([key.length, 400, "urn:tandem:problem:invalid-request"])
      expect(body["errors"]).toEqual([{ parameter: "Idempotency-Key", detail: expect.any(String) }])
    }
  }, 60_000)

  it("has one effect of many requests at once, on two instances", async () => {
    await call("POST", `${stack.paymentUrl}/accounts?userId=crowd&amount=100000`)
    const keys = Array.from({ length: 10 }, () => randomUUID())
    const answers = await Promise.all(
      keys.flatMap((key) =>
        Array.from({ length: 8 }, (_, index) =>
          post(`${index % 2 === 0 ? stack.orderUrl : otherOrders}/orders?userId=crowd&amount=1`, key),
        ),
      ),
    )
    for (const { status, headers } of answers) {
      expect([201, 409]).toContain(status)
      if (status === 409) expect(headers.get("retry-after")).toBe("1")
    }
    expect(answers.filter((answer) => answer.status === 201 && !isReplay(answer))).toHaveLength(keys.length)
    expect(await orders("crowd")).toHaveLength(keys.length)

    const topUps = await Promise.all(
      keys.flatMap((key) =>
        Array.from({ length: 8 }, () => post(`${stack.paymentUrl}/accounts?userId=crowded&amount=7`, key)),
      ),
    )
    expect(topUps.filter((answer) => answer.status < 300 && !isReplay(answer))).toHaveLength(keys.length)
    expect(await balance("crowded")).toBe(7 * keys.length)
  }, 60_000)
})
