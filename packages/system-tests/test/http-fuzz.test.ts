import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { call, eventually } from "../src/Client.js"
import { fuzz, schemathesisIsMissing } from "../src/Schemathesis.js"

/** Of each service, in seconds. */
const time = 15

describe.skipIf(schemathesisIsMissing())("both APIs answer whatever comes as their documents say", () => {
  let stack: Stack
  let paid = ""
  beforeAll(async () => {
    stack = await startStack({ broker: "postgres" })
    await call("POST", `${stack.paymentUrl}/accounts?userId=1&amount=1000000`)
    paid = String((await call("POST", `${stack.orderUrl}/orders?userId=1&amount=500`)).body["id"])
    await eventually("the payment", async () =>
      (await call("GET", `${stack.paymentUrl}/payments/${paid}`)).status === 200 ? true : undefined,
    )
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  it.concurrent.each(["order", "payment"] as const)(
    "the %s service: no 5xx, no undocumented status, no response outside its schema",
    async (service) => {
      const url = service === "order" ? stack.orderUrl : stack.paymentUrl
      const { code, output } = await fuzz(url, time, { PAID_ORDER_ID: paid })
      expect(code, output).toBe(0)
      // How many cases fit into the time is the machine's business; that every operation has some is not.
      const operations = /Selected: (\d+)\//.exec(output)?.[1]
      expect(operations, output).toMatch(/^[1-9]/)
      expect(/Tested: (\d+)/.exec(output)?.[1], output).toBe(operations)
    },
    300_000,
  )
})
