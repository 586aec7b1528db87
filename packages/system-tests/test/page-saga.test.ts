import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import axe from "axe-core"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { launchBrowser } from "../src/Browser.js"
import { call, eventually, settled } from "../src/Client.js"

const screenshots = fileURLToPath(new URL("../../../.tandem/screenshots/", import.meta.url))
const shoot = (page: Page, name: string) => page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })

const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }

let browser: Browser
beforeAll(async () => {
  mkdirSync(screenshots, { recursive: true })
  browser = await launchBrowser()
}, 120_000)
afterAll(() => browser?.close(), 60_000)
afterEach(async () => {
  for (const context of browser.contexts()) await context.close()
})

const open = async (stack: Stack, userId: string, options: BrowserContextOptions = {}): Promise<Page> => {
  const context = await browser.newContext({ locale: "ru-RU", viewport: { width: 1280, height: 860 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  await page.goto(`${stack.orderUrl}/index.html?userId=${userId}`)
  return page
}
const isLive = (page: Page) => page.locator('[data-connection="open"]').waitFor()
const openLive = async (stack: Stack, userId: string, options?: BrowserContextOptions) => {
  const page = await open(stack, userId, options)
  await isLive(page)
  return page
}
const row = (page: Page, status: string) => page.locator(`[data-order][data-status="${status}"]`)
const balance = (page: Page, minor: number) => page.locator(`.balance data[value="${minor}"]`).waitFor()
const toast = (page: Page, title: string) => page.getByRole("status").getByText(title, { exact: true })
const violations = async (page: Page) => {
  await page.addScriptTag({ content: axe.source })
  return page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    })
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)
  })
}

describe("the page, from an order to its refund", () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ durable: false })
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  const fund = (userId: string, amount: number) =>
    call("POST", `${stack.paymentUrl}/accounts?userId=${userId}&amount=${amount}`)
  const order = async (userId: string, amount: number) =>
    String((await call("POST", `${stack.orderUrl}/orders?userId=${userId}&amount=${amount}`)).body["id"])

  it("opens an order to its history, gives the money back, and shows what moved", async () => {
    await fund("refunding", 1000)
    const id = await order("refunding", 400)
    await settled(stack.orderUrl, id)
    const page = await openLive(stack, "refunding", { bypassCSP: true })
    await balance(page, 600)
    const summary = page.locator(".order-summary")
    expect(await summary.getAttribute("aria-expanded")).toBe("false")
    await summary.click()
    const history = page.getByRole("list", { name: "История заказа" }).getByRole("listitem")
    await eventually("the history", async () => (await history.count()) === 2 || undefined)
    expect(await page.locator(".order-id").textContent()).toContain(id)
    await shoot(page, "desktop-light-details")
    expect(await violations(page)).toEqual([])

    await page.getByRole("button", { name: "Вернуть деньги" }).click()
    await row(page, "REFUNDED").getByText("по просьбе покупателя").first().waitFor()
    await toast(page, "Деньги вернулись").waitFor()
    await balance(page, 1000)
    await eventually("the refund in the history", async () => (await history.count()) === 3 || undefined)
    expect(await page.getByRole("button", { name: "Вернуть деньги" }).count()).toBe(0)

    await page.getByText("Движение денег").click()
    const movements = page.locator(".transfers li")
    await eventually("the movements", async () => (await movements.count()) === 3 || undefined)
    expect(await movements.locator(".transfer-kind").allInnerTexts()).toEqual([
      "Возврат",
      "Оплата заказа",
      "Пополнение",
    ])
    await shoot(page, "desktop-light-refunded")
    expect(await violations(page)).toEqual([])
  }, 60_000)

  it("cancels an order that waits for its payment, and says that it was cancelled and not that a payment failed", async () => {
    await fund("cancelling", 1000)
    const page = await openLive(stack, "cancelling", { colorScheme: "dark", bypassCSP: true })
    stack.services.payment.signal("SIGSTOP")
    try {
      await order("cancelling", 300)
      await page.getByLabel("Сумма заказа").fill("1")
      await page.getByRole("button", { name: "Заказать" }).click()
      await row(page, "NEW").locator(".order-summary").click()
      await page.getByRole("button", { name: "Отменить заказ" }).click()
      await row(page, "NEW").locator(".order-status").getByText("Отмена запрошена").waitFor()
      await shoot(page, "desktop-dark-cancelling")
      expect(await violations(page)).toEqual([])
    } finally {
      stack.services.payment.signal("SIGCONT")
    }
    await row(page, "CANCELLED").getByText("отменён покупателем").first().waitFor()
    await toast(page, "Заказ отменён").waitFor()
    await row(page, "FINISHED").waitFor()
    expect(await page.getByText("Оплата не прошла :(").count()).toBe(0)
  }, 60_000)

  it("tells two tabs the same", async () => {
    await fund("tabs", 1000)
    const one = await openLive(stack, "tabs")
    const two = await openLive(stack, "tabs")
    await one.getByLabel("Сумма заказа").fill("2,50")
    await one.getByRole("button", { name: "Заказать" }).click()
    for (const page of [one, two]) {
      await toast(page, "УРА! Заказ оплачен!").waitFor()
      await row(page, "FINISHED").waitFor()
      await balance(page, 750)
    }
  }, 60_000)

  it("says when the network is gone, and catches up when it is back", async () => {
    await fund("offline", 1000)
    const page = await openLive(stack, "offline")
    // Only the page is cut off: its stream breaks, and no other is let through.
    await page.context().setOffline(true)
    await page.evaluate(() => dispatchEvent(new Event("online")))
    await page.locator('[data-connection="waiting"], [data-connection="connecting"]').first().waitFor()
    await settled(stack.orderUrl, await order("offline", 100))
    await page.context().setOffline(false)
    await isLive(page)
    await row(page, "FINISHED").waitFor()
    await balance(page, 900)
  }, 60_000)

  it("places one order when the answer to the first try is lost", async () => {
    await fund("lost", 1000)
    const page = await openLive(stack, "lost")
    let lost = 0
    await page.route(/\/orders\?userId=lost&amount=/, async (route) => {
      const response = await route.fetch()
      if (lost++ === 0) return route.abort("connectionreset")
      return route.fulfill({ response })
    })
    await page.getByLabel("Сумма заказа").fill("1")
    await page.getByRole("button", { name: "Заказать" }).click()
    await page.getByText("принят").waitFor()
    expect(lost).toBe(2)
    await balance(page, 900)
    const { body } = await call("GET", `${stack.orderUrl}/orders?userId=lost`)
    expect(body["items"]).toHaveLength(1)
  }, 60_000)

  it("stays light for a user with 1,000 notifications, and knows the next one", async () => {
    await fund("many", 100_000)
    for (let batch = 0; batch < 20; batch++) {
      await Promise.all(Array.from({ length: 50 }, () => order("many", 1)))
    }
    const page = await open(stack, "many")
    await eventually(
      "all to be told",
      async () => {
        const { body } = await call("GET", `${stack.orderUrl}/notifications?userId=many&after=999`)
        return (body["items"] as ReadonlyArray<unknown>).length > 0 || undefined
      },
      90,
    )
    await isLive(page)
    await balance(page, 99_000)
    await order("many", 7)
    await page.locator('[data-order][data-status="FINISHED"] data[value="7"]').waitFor()
    expect(await page.locator(".toast").count()).toBeLessThanOrEqual(3)
    expect(await page.locator("[data-order]").count()).toBeLessThanOrEqual(1_000)
    await page.reload()
    await isLive(page)
    await row(page, "FINISHED").first().waitFor()
    expect(await page.locator("[data-order]").count()).toBe(50)
    const interactive = await page.evaluate(
      () => (performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming).domInteractive,
    )
    console.log(`the page was interactive after ${Math.round(interactive)} ms`)
  }, 120_000)

  it("shows an order's details on a phone", async () => {
    await fund("phone", 1000)
    await settled(stack.orderUrl, await order("phone", 400))
    const page = await openLive(stack, "phone", { ...phone, bypassCSP: true })
    await page.locator(".order-summary").click()
    await page.locator(".history li").nth(1).waitFor()
    await page.getByText("Движение денег").click()
    await page.locator(".transfers li").nth(1).waitFor()
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390)
    expect(await violations(page)).toEqual([])
    await shoot(page, "phone-light-details")
  }, 60_000)
})

describe("the page of a service that asks who is calling", () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ durable: false, auth: true })
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  it("asks for a token, refuses one that is none, and then shows its owner's things, live", async () => {
    if (stack.issuer === undefined) throw new Error("the stack has no issuer")
    const page = await open(stack, "stranger", { bypassCSP: true })
    await page.getByText("Нужно войти", { exact: true }).waitFor()
    await shoot(page, "desktop-light-sign-in")
    expect(await violations(page)).toEqual([])
    await page.getByLabel("Токен").fill("nonsense")
    await page.getByRole("button", { name: "Войти" }).click()
    await page.getByText("Этот токен не подошёл").waitFor()
    await page.getByLabel("Токен").fill(await stack.issuer.token({ sub: "owner", scope: "accounts:fund" }))
    await page.getByRole("button", { name: "Войти" }).click()
    await isLive(page)
    expect(new URL(page.url()).searchParams.get("userId")).toBe("owner")
    expect(await page.getByText("Нужно войти", { exact: true }).count()).toBe(0)
    await page.getByLabel("Сумма пополнения").fill("10")
    await page.getByRole("button", { name: "Пополнить" }).click()
    await balance(page, 1000)
    await page.getByLabel("Сумма заказа").fill("4")
    await page.getByRole("button", { name: "Заказать" }).click()
    await toast(page, "УРА! Заказ оплачен!").waitFor()
    await balance(page, 600)
  }, 60_000)
})
