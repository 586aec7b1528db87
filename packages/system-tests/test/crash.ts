import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { call, eventually } from "../src/Client.js"

const users = 10
const orders = 500
const amount = 7
/** Enough for some orders of each user and not for all, so that both endings occur. */
const funds = 250

const one = async (url: string, query: string) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, string>>(query)
    return rows[0] ?? {}
  } finally {
    await client.end()
  }
}

/** kill -9 of a service in the middle of 500 orders: what was accepted is settled once. */
export const crash = (broker: "postgres" | "kafka", victim: "order" | "payment") =>
  describe(`kill -9 of the ${victim} service over ${broker}`, () => {
    let stack: Stack
    beforeAll(async () => {
      stack = await startStack({ broker })
    }, 120_000)
    afterAll(() => stack?.stop(), 60_000)

    it("loses no accepted order and charges nobody twice", async () => {
      for (let user = 0; user < users; user++) {
        expect((await call("POST", `${stack.paymentUrl}/accounts?userId=u${user}&amount=${funds}`)).status).toBe(201)
      }
      const accepted: Array<string> = []
      let placed = 0
      const place = async () => {
        while (placed < orders) {
          const number = placed++
          if (number === 200) void stack.services[victim].kill9()
          const answer = await call(
            "POST",
            `${stack.orderUrl}/orders?userId=u${number % users}&amount=${amount}`,
          ).catch(() => undefined)
          if (answer?.status === 201) accepted.push(String(answer.body["id"]))
          else await eventually("the service to be back", async () => (await isReady(stack.orderUrl)) || undefined)
        }
      }
      await Promise.all(Array.from({ length: 8 }, place))
      expect(accepted.length).toBeGreaterThan(orders / 2)

      await eventually(
        "every order to be settled",
        async () => {
          const row = await one(
            stack.databaseUrls.orders,
            "SELECT count(*) FILTER (WHERE status = 'NEW') AS open FROM orders",
          )
          return row["open"] === "0" || undefined
        },
        90,
      )
      const kept = await one(
        stack.databaseUrls.orders,
        `SELECT count(*) AS found FROM orders WHERE id = ANY('{${accepted.join()}}'::uuid[])`,
      )
      expect(Number(kept["found"])).toBe(accepted.length)

      const finished = await one(
        stack.databaseUrls.orders,
        "SELECT count(*) FILTER (WHERE status = 'FINISHED') AS finished, coalesce(sum(amount) FILTER (WHERE status = 'FINISHED'), 0) AS spent FROM orders",
      )
      const ledger = await one(
        stack.databaseUrls.payments,
        "SELECT sum(balance) AS left, min(balance) AS least FROM accounts",
      )
      expect(Number(ledger["left"])).toBe(users * funds - Number(finished["spent"]))
      expect(Number(ledger["least"])).toBeGreaterThanOrEqual(0)
      expect(Number(finished["finished"])).toBe(users * Math.floor(funds / amount))

      // The last deletes and the notifications of what is settled follow within moments.
      await eventually("empty outboxes", async () => {
        for (const url of [stack.databaseUrls.orders, stack.databaseUrls.payments]) {
          if ((await one(url, "SELECT count(*) AS rows FROM outbox_events"))["rows"] !== "0") return undefined
        }
        return true
      })
      const gaps = await one(
        stack.databaseUrls.orders,
        `SELECT count(*) FILTER (WHERE last <> rows) AS gaps
           FROM (SELECT user_id, max(seq) AS last, count(*) AS rows FROM notifications GROUP BY user_id) AS per_user`,
      )
      expect(gaps["gaps"]).toBe("0")
      for (const url of [stack.databaseUrls.orders, stack.databaseUrls.payments]) {
        expect((await one(url, "SELECT count(*) AS letters FROM dead_letters"))["letters"]).toBe("0")
      }
    }, 180_000)
  })

const isReady = async (url: string) => (await fetch(`${url}/health/ready`)).status === 200
