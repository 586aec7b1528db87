import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { launchBrowser } from "../src/Browser.js"

const screenshots = fileURLToPath(new URL("../../../.tandem/screenshots/", import.meta.url))

/** Every page of documentation, and texts that only a page shows which has understood its document. */
const pages: ReadonlyArray<readonly [service: "order" | "payment", path: string, shows: ReadonlyArray<string>]> = [
  ["order", "/swagger-ui/index.html", ["Tandem order service", "Place an order", "Ask for an order's cancellation"]],
  ["order", "/docs", ["Tandem order service", "Place an order", "Read what happened to an order"]],
  ["order", "/asyncapi.html", ["Tandem order service", "PaymentRequested", "PaymentRefunded", "OrderStatusChanged"]],
  ["payment", "/swagger-ui/index.html", ["Tandem payment service", "Create an account or top it up"]],
  ["payment", "/asyncapi.html", ["Tandem payment service", "PaymentRequested", "PaymentDeclined"]],
]

describe("the pages of documentation", () => {
  let stack: Stack
  let browser: Browser
  beforeAll(async () => {
    mkdirSync(screenshots, { recursive: true })
    ;[stack, browser] = await Promise.all([startStack({ broker: "postgres" }), launchBrowser()])
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await stack?.stop()
  }, 60_000)

  /** A page, and what it does that it must not: ask another origin, break its policy, throw. */
  const open = async (origin: string, path: string): Promise<{ page: Page; faults: Array<string> }> => {
    const faults: Array<string> = []
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    page.setDefaultTimeout(30_000)
    page.on("pageerror", (error) => faults.push(String(error)))
    page.on("console", (message) => {
      if (message.type() === "error" || /content security policy/i.test(message.text())) faults.push(message.text())
    })
    page.on("request", (request) => {
      const url = request.url()
      if (!/^(data|blob):/.test(url) && new URL(url).origin !== origin) faults.push(`a request to ${url}`)
    })
    await page.goto(`${origin}${path}`)
    return { page, faults }
  }

  it.each(pages)(
    "of the %s service, %s, shows its document and asks no other origin",
    async (service, path, shows) => {
      const { page, faults } = await open(service === "order" ? stack.orderUrl : stack.paymentUrl, path)
      for (const text of shows) await page.getByText(text).first().waitFor({ state: "attached" })
      await page.waitForLoadState("networkidle")
      await page.screenshot({
        path: join(screenshots, `docs-${service}${path.replaceAll("/", "-").replace(".html", "")}.png`),
      })
      expect(faults).toEqual([])
      await page.close()
    },
    90_000,
  )

  it("let an operation be tried, within the page's policy", async () => {
    const { page, faults } = await open(stack.orderUrl, "/swagger-ui/index.html")
    const operation = page.locator("#operations-operations-getLiveness")
    await operation.getByRole("button").first().click()
    await operation.getByRole("button", { name: "Try it out" }).click()
    await operation.getByRole("button", { name: "Execute" }).click()
    await operation.locator(".live-responses-table").getByText('"live"').first().waitFor()
    expect(faults).toEqual([])
    await page.close()
  }, 90_000)
})
