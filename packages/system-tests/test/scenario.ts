import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { call, eventually, settled } from "../src/Client.js"

interface Frame {
  readonly type: string
  readonly seq: number
  readonly orderId?: string
  readonly status?: string
  readonly reason?: string | null
}

const listen = (orderUrl: string, userId: string, after?: number) => {
  const frames: Array<Frame> = []
  const query = after === undefined ? "" : `&after=${after}`
  const socket = new WebSocket(`${orderUrl.replace("http", "ws")}/ws?userId=${userId}${query}`)
  socket.on("message", (data) => frames.push(JSON.parse(data.toString())))
  return { frames, close: () => socket.terminate() }
}

const invalidInput = [
  ["amount 0", "userId=1&amount=0"],
  ["a negative amount", "userId=1&amount=-1"],
  ["a fraction", "userId=1&amount=1.5"],
  ["a word", "userId=1&amount=abc"],
  ["no amount", "userId=1"],
  ["an empty user", "userId=&amount=5"],
  ["no user", "amount=5"],
  ["leading zeros", "userId=1&amount=007"],
  ["an exponent", "userId=1&amount=1e2"],
  ["a sign", "userId=1&amount=%2B5"],
  ["too much", "userId=1&amount=1000000000001"],
  ["a repeated parameter", "userId=1&amount=5&amount=5"],
  ["a user with a space", "userId=a%20b&amount=5"],
  ["nothing at all", ""],
] as const

/** The story of the README, over one broker; the system is the one that `npm start` starts. Kafka through kafkajs when absent. */
export const scenario = (broker: "postgres" | "kafka", kafkaClient = "kafkajs") =>
  describe(`the whole system over ${broker}${broker === "kafka" ? ` through ${kafkaClient}` : ""}`, () => {
    let stack: Stack
    beforeAll(async () => {
      stack = await startStack({ broker, env: { KAFKA_CLIENT: kafkaClient } })
    }, 120_000)
    afterAll(() => stack?.stop(), 60_000)

    it("takes an order, gets it paid, and tells the user", async () => {
      const { orderUrl, paymentUrl } = stack
      const user = listen(orderUrl, "1")
      await eventually("the welcome", async () => user.frames[0])
      expect(user.frames[0]).toEqual({ type: "welcome", userId: "1", seq: 0, recovered: true })

      const account = await call("POST", `${paymentUrl}/accounts?userId=1&amount=1000`)
      expect(account.status).toBe(201)
      expect(account.body).toMatchObject({ userId: "1", balance: 1000, version: 1 })

      const paid = await call("POST", `${orderUrl}/orders?userId=1&amount=500`)
      expect(paid.status).toBe(201)
      expect(paid.headers.get("location")).toBe(`/orders/${String(paid.body["id"])}`)
      expect(paid.body).toMatchObject({ userId: "1", amount: 500, status: "NEW", reason: null, version: 1 })
      expect(await settled(orderUrl, paid.body["id"])).toMatchObject({ status: "FINISHED", reason: null, version: 2 })

      const declined = await call("POST", `${orderUrl}/orders`, { userId: "1", amount: 9999 })
      expect(declined.status).toBe(201)
      expect(await settled(orderUrl, declined.body["id"])).toMatchObject({
        status: "CANCELLED",
        reason: "InsufficientFunds",
      })

      const balance = await call("GET", `${paymentUrl}/accounts/1`)
      expect(balance.status).toBe(200)
      expect(balance.body).toMatchObject({ balance: 500, version: 2 })

      await eventually("both frames", async () => user.frames[2])
      expect(user.frames.slice(1)).toMatchObject([
        { seq: 1, orderId: paid.body["id"], status: "FINISHED", reason: null },
        { seq: 2, orderId: declined.body["id"], status: "CANCELLED", reason: "InsufficientFunds" },
      ])
      user.close()
      const late = listen(orderUrl, "1", 1)
      await eventually("the missed frame", async () => late.frames[1])
      expect(late.frames).toMatchObject([
        { type: "welcome", seq: 1, recovered: true },
        { seq: 2, status: "CANCELLED" },
      ])
      late.close()
    })

    it("tops up in both forms, 201 for a new account and 200 after", async () => {
      const created = await call("POST", `${stack.paymentUrl}/accounts`, { userId: "json", amount: 7 })
      expect(created.status).toBe(201)
      const added = await call("POST", `${stack.paymentUrl}/accounts?userId=json&amount=5`)
      expect(added.status).toBe(200)
      expect(added.body).toMatchObject({ balance: 12, version: 2 })
    })

    it("declines for a user without an account", async () => {
      const order = await call("POST", `${stack.orderUrl}/orders?userId=nobody&amount=1`)
      expect(await settled(stack.orderUrl, order.body["id"])).toMatchObject({
        status: "CANCELLED",
        reason: "AccountNotFound",
      })
    })

    it("pages through a user's orders, newest first", async () => {
      const ids: Array<unknown> = []
      for (let index = 0; index < 5; index++) {
        ids.push((await call("POST", `${stack.orderUrl}/orders?userId=pages&amount=1`)).body["id"])
      }
      const seen: Array<unknown> = []
      let cursor: string | null = ""
      while (cursor !== null) {
        const page = await call("GET", `${stack.orderUrl}/orders?userId=pages&limit=2&cursor=${cursor}`)
        expect(page.status).toBe(200)
        seen.push(...(page.body["items"] as Array<{ id: string }>).map((order) => order.id))
        cursor = page.body["next"] as string | null
      }
      expect(seen).toEqual(ids.reverse())
    })

    it.each(invalidInput)("answers %s with a 400 problem and writes nothing", async (_, query) => {
      for (const url of [`${stack.orderUrl}/orders?${query}`, `${stack.paymentUrl}/accounts?${query}`]) {
        const answer = await call("POST", url)
        expect([url, answer.status]).toEqual([url, 400])
        expect(answer.headers.get("content-type")).toMatch("application/problem+json")
        expect(answer.body).toMatchObject({ type: "urn:tandem:problem:invalid-request", status: 400 })
        expect(answer.body["errors"]).not.toEqual([])
      }
      const orders = await call("GET", `${stack.orderUrl}/orders?userId=1&limit=200`)
      expect((orders.body["items"] as Array<unknown>).length).toBe(2)
      expect((await call("GET", `${stack.paymentUrl}/accounts/1`)).body).toMatchObject({ balance: 500, version: 2 })
    })

    it("describes itself, and says that it is well", async () => {
      for (const url of [stack.orderUrl, stack.paymentUrl]) {
        const spec = await call("GET", `${url}/openapi.json`)
        expect(spec.body["openapi"]).toMatch(/^3\.1/)
        const docs = await fetch(`${url}/swagger-ui/index.html`)
        expect(docs.status).toBe(200)
        expect(await docs.text()).toContain("swagger")
        expect((await call("GET", `${url}/health/live`)).status).toBe(200)
        expect((await call("GET", `${url}/health/ready`)).status).toBe(200)
        expect((await call("GET", `${url}/nowhere`)).body).toMatchObject({ type: "urn:tandem:problem:not-found" })
      }
    })
  })
