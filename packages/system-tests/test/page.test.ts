import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import axe from "axe-core"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { launchBrowser } from "../src/Browser.js"
import { call, eventually } from "../src/Client.js"

const paid = "УРА! Заказ оплачен!"
const declined = "Оплата не прошла :("

interface Remembering {
  toastsSoFar: Array<string | null>
}

/** Runs in the page, before its own code. */
const rememberToasts = () => {
  const titles = new Set<Element>()
  const remembering = window as unknown as Remembering
  remembering.toastsSoFar = []
  const look = () => {
    for (const title of document.querySelectorAll(".toast-title")) {
      if (!titles.has(title)) remembering.toastsSoFar.push(title.textContent)
      titles.add(title)
    }
  }
  new MutationObserver(look).observe(document, { childList: true, subtree: true })
}

const screenshots = fileURLToPath(new URL("../../../.tandem/screenshots/", import.meta.url))
const shoot = (page: Page, name: string) => page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })

const desktop = { viewport: { width: 1280, height: 860 } }
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }

describe("the notification page in a real browser", () => {
  let stack: Stack
  let browser: Browser
  beforeAll(async () => {
    mkdirSync(screenshots, { recursive: true })
    ;[stack, browser] = await Promise.all([startStack({ durable: false }), launchBrowser()])
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await stack?.stop()
  }, 60_000)

  /** What a page of our own must never do: load from elsewhere, break its content security policy, throw. */
  const faults: Array<string> = []
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close()
    expect(faults.splice(0)).toEqual([])
  })

  const open = async (userId: string | undefined, options: BrowserContextOptions = {}): Promise<Page> => {
    const context = await browser.newContext({ locale: "ru-RU", ...desktop, ...options })
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    await page.addInitScript(rememberToasts)
    page.on("pageerror", (error) => faults.push(String(error)))
    page.on("console", (message) => {
      if (/content security policy/i.test(message.text())) faults.push(message.text())
    })
    page.on("request", (request) => {
      const { origin } = new URL(request.url())
      if (origin !== stack.orderUrl && origin !== stack.paymentUrl) faults.push(`a request to ${request.url()}`)
    })
    await page.goto(`${stack.orderUrl}/index.html${userId === undefined ? "" : `?userId=${userId}`}`)
    return page
  }
  const isLive = (page: Page) => page.locator('[data-connection="open"]').waitFor()
  const openLive = async (userId: string, options?: BrowserContextOptions) => {
    const page = await open(userId, options)
    await isLive(page)
    return page
  }
  const balance = (page: Page, minor: number) => page.locator(`.balance data[value="${minor}"]`).waitFor()
  const toast = (page: Page, title: string) => page.getByRole("status").getByText(title, { exact: true })
  /** Every toast that the page ever showed, also those that have gone. */
  const toastsSoFar = (page: Page) => page.evaluate(() => (window as unknown as Remembering).toastsSoFar)
  const row = (page: Page, status: string, amount: number) =>
    page.locator(`[data-order][data-status="${status}"]`).filter({ has: page.locator(`data[value="${amount}"]`) })
  const topUp = async (page: Page, amount: string) => {
    await page.getByLabel("Сумма пополнения").fill(amount)
    await page.getByRole("button", { name: "Пополнить" }).click()
  }
  const placeOrder = async (page: Page, amount: string) => {
    await page.getByLabel("Сумма заказа").fill(amount)
    await page.getByRole("button", { name: "Заказать" }).click()
  }
  const fund = (userId: string, amount: number) =>
    call("POST", `${stack.paymentUrl}/accounts?userId=${userId}&amount=${amount}`)
  const order = (userId: string, amount: number) =>
    call("POST", `${stack.orderUrl}/orders?userId=${userId}&amount=${amount}`)

  it("tops up, orders, and tells that the order was paid, and that another one was not", async () => {
    const page = await openLive("1")
    await page.getByText("Заказов пока нет").waitFor()
    await balance(page, 0)
    await shoot(page, "desktop-light-empty")

    await topUp(page, "10,00")
    await balance(page, 1000)
    await placeOrder(page, "5")
    await toast(page, paid).waitFor()
    await row(page, "FINISHED", 500).waitFor()
    await balance(page, 500)

    await placeOrder(page, "99,99")
    await toast(page, declined).waitFor()
    await row(page, "CANCELLED", 9999).getByText("не хватило денег на счёте").waitFor()
    await balance(page, 500)
    expect(await toastsSoFar(page)).toEqual([paid, declined])
    await shoot(page, "desktop-light")

    expect((await call("GET", `${stack.paymentUrl}/accounts/1`)).body).toMatchObject({ balance: 500 })
    const { body } = await call("GET", `${stack.orderUrl}/orders?userId=1`)
    expect(body["items"]).toMatchObject([
      { amount: 9999, status: "CANCELLED", reason: "InsufficientFunds" },
      { amount: 500, status: "FINISHED" },
    ])
  })

  it("shows what happened before, and gives toasts only for what happens from now on", async () => {
    await fund("history", 1000)
    await order("history", 300)
    await eventually("the order to be paid", async () => {
      const { body } = await call("GET", `${stack.orderUrl}/orders?userId=history&status=FINISHED`)
      return (body["items"] as Array<unknown>).length === 1 || undefined
    })
    const page = await openLive("history")
    await row(page, "FINISHED", 300).waitFor()
    await balance(page, 700)
    await order("history", 5000)
    await toast(page, declined).waitFor()
    await row(page, "CANCELLED", 5000).waitFor()
    expect(await toastsSoFar(page)).toEqual([declined])
  })

  it("follows orders of the same user that are placed elsewhere, and nobody else's", async () => {
    await fund("here", 1000)
    await fund("there", 1000)
    const [here, there] = await Promise.all([openLive("here"), openLive("there")])
    await order("here", 250)
    await row(here, "FINISHED", 250).waitFor()
    await balance(here, 750)
    await order("there", 100)
    await row(there, "FINISHED", 100).waitFor()
    expect(await here.locator("[data-order]").count()).toBe(1)
    expect(await there.locator("[data-order]").count()).toBe(1)
  })

  it("speaks English to an English browser, but for the toasts, and switches", async () => {
    await fund("english", 1000)
    const page = await openLive("english", { locale: "en-GB", colorScheme: "dark" })
    await page.getByRole("heading", { name: "Orders" }).waitFor()
    await page.getByLabel("Order amount").fill("2.50")
    await page.getByRole("button", { name: "Place order" }).click()
    await toast(page, paid).waitFor()
    await order("english", 9999)
    await row(page, "CANCELLED", 9999).getByText("not enough money on the account").waitFor()
    await toast(page, declined).waitFor()
    await shoot(page, "desktop-dark")
    await page.getByRole("button", { name: "русский" }).click()
    await page.getByRole("heading", { name: "Заказы" }).waitFor()
    expect(await page.locator("html").getAttribute("lang")).toBe("ru")
    await page.reload()
    await page.getByRole("heading", { name: "Заказы" }).waitFor()
  })

  it("is live again after the order service was away, and loses nothing that happened meanwhile", async () => {
    await fund("restart", 1000)
    const page = await openLive("restart")
    await page.getByText("Заказов пока нет").waitFor()
    stack.services.order.kill9()
    await page.locator('[data-connection="waiting"], [data-connection="connecting"]').first().waitFor()
    await eventually("the service to take the order", async () => {
      const answer = await order("restart", 400).catch(() => undefined)
      return answer?.status === 201 || undefined
    })
    await row(page, "FINISHED", 400).waitFor()
    await isLive(page)
    await balance(page, 600)
    expect(await toastsSoFar(page)).toEqual([paid])
  })

  it("says in words what is wrong with an amount, and sends nothing", async () => {
    const page = await openLive("mistakes")
    for (const [text, words] of [
      ["", "Введите сумму"],
      ["пять", "Сумма пишется цифрами"],
      ["1,005", "После запятой не больше двух цифр"],
      ["0", "Сумма должна быть больше нуля"],
      ["10000000000,01", "за один раз"],
    ] as const) {
      await placeOrder(page, text)
      await page.locator("#order").getByText(words).waitFor()
      expect(await page.getByLabel("Сумма заказа").getAttribute("aria-invalid")).toBe("true")
    }
    expect((await call("GET", `${stack.orderUrl}/orders?userId=mistakes`)).body["items"]).toEqual([])
  })

  it("says in words what a service refuses, and that a service does not answer", async () => {
    const page = await openLive("refused")
    const problem = (kind: string, status: number) => ({
      status,
      contentType: "application/problem+json",
      body: JSON.stringify({ type: `urn:tandem:problem:${kind}`, title: "", status, detail: "" }),
    })
    await page.route(`${stack.orderUrl}/orders?**`, (route) => route.fulfill(problem("service-unavailable", 503)))
    await placeOrder(page, "5")
    await page.locator("#order").getByText("Сервис сейчас недоступен").waitFor()

    await page.route(`${stack.paymentUrl}/**`, (route) => route.abort())
    await topUp(page, "5")
    await page.locator("#top-up").getByText("Сервис оплаты не отвечает").waitFor()
    await shoot(page, "desktop-light-faults")

    await page.unroute(`${stack.paymentUrl}/**`)
    await topUp(page, "5")
    await balance(page, 500)
  })

  it("says when the orders cannot be read, and reads them when asked again", async () => {
    await order("unread", 300)
    const page = await open("unread")
    await page.route(`${stack.orderUrl}/orders?**`, (route) => route.abort())
    await page.reload()
    const fault = page.getByRole("alert").filter({ hasText: "Сервис заказов не отвечает" })
    await fault.waitFor()
    await page.unroute(`${stack.orderUrl}/orders?**`)
    await fault.getByRole("button", { name: "Повторить" }).click()
    await row(page, "CANCELLED", 300).getByText("у пользователя ещё нет счёта").waitFor()
    await fault.waitFor({ state: "detached" })
  })

  it("goes on to older orders when asked", async () => {
    await Promise.all(Array.from({ length: 55 }, (_, index) => order("many", index + 1)))
    const page = await openLive("many")
    const rows = page.locator("[data-order]")
    await rows.nth(49).waitFor()
    await page.getByRole("button", { name: "Показать ещё" }).click()
    await rows.nth(54).waitFor()
    expect(await rows.count()).toBe(55)
    await page.getByRole("button", { name: "Показать ещё" }).waitFor({ state: "detached" })
  })

  it("goes to another user and back, and refuses one that cannot be", async () => {
    await fund("first", 100)
    await fund("second", 200)
    const page = await openLive("first")
    await balance(page, 100)
    const user = page.getByLabel("Пользователь")
    await user.fill("second")
    await user.press("Enter")
    await balance(page, 200)
    expect(new URL(page.url()).search).toBe("?userId=second")
    await page.goBack()
    await balance(page, 100)
    expect(await user.inputValue()).toBe("first")
    await user.fill("a b")
    await user.press("Enter")
    await page.getByText("От 1 до 64 латинских букв").waitFor()

    const impossible = await open("a%20b")
    await impossible.getByText("Такого пользователя быть не может").waitFor()
    expect(await impossible.locator("form:not(.user)").count()).toBe(0)
  })

  it("is for the user 1 when the address names nobody", async () => {
    const page = await open(undefined)
    expect(await page.getByLabel("Пользователь").inputValue()).toBe("1")
    await isLive(page)
  })

  it("can be used with the keyboard alone", async () => {
    const page = await openLive("keyboard")
    const reach = async (label: string) => {
      for (let steps = 0; steps < 30; steps++) {
        await page.keyboard.press("Tab")
        const focused = await page.evaluate(() => {
          const element = document.activeElement
          const visible = element !== null && getComputedStyle(element).outlineStyle !== "none"
          return {
            label: (element as HTMLInputElement | null)?.labels?.[0]?.textContent ?? element?.textContent,
            visible,
          }
        })
        expect(focused.visible).toBe(true)
        if (focused.label === label) return
      }
      throw new Error(`${label} cannot be reached with the Tab key`)
    }
    await reach("Сумма пополнения")
    await page.keyboard.type("10")
    await page.keyboard.press("Enter")
    await balance(page, 1000)
    await reach("Сумма заказа")
    await page.keyboard.type("4")
    await page.keyboard.press("Enter")
    await row(page, "FINISHED", 400).waitFor()
    await toast(page, paid).waitFor()
    await page.getByRole("button", { name: "Закрыть уведомление" }).press("Enter")
    await toast(page, paid).waitFor({ state: "detached" })
  })

  it.each(["light", "dark"] as const)("meets WCAG AA in the %s scheme, on a phone too", async (colorScheme) => {
    const user = `axe-${colorScheme}`
    await fund(user, 1000)
    for (const [name, device] of Object.entries({ desktop, phone })) {
      // Colours are judged at rest.
      const page = await openLive(user, { ...device, colorScheme, reducedMotion: "reduce" })
      await placeOrder(page, "2")
      await toast(page, paid).waitFor()
      await placeOrder(page, "50")
      await toast(page, declined).waitFor()
      await placeOrder(page, "x")
      await page.evaluate(axe.source)
      const violations = await page.evaluate(async () => {
        const { axe } = window as unknown as { axe: typeof import("axe-core") }
        const results = await axe.run(document, {
          runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
        })
        return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)
      })
      expect([name, violations]).toEqual([name, []])
      if (name === "phone") await shoot(page, `phone-${colorScheme}`)
      await page.context().close()
    }
  })

  it("fits the narrowest phone, with the largest sums", async () => {
    const limit = 1_000_000_000_000
    for (let times = 0; times < 9; times++) await fund("narrow", limit)
    await order("narrow", limit - 1)
    const page = await openLive("narrow", { viewport: { width: 320, height: 640 }, reducedMotion: "reduce" })
    await row(page, "FINISHED", limit - 1).waitFor()
    await balance(page, 8 * limit + 1)
    const sticksOut = await page.evaluate(() =>
      [...document.querySelectorAll("input, button, data, p, time, a")]
        .filter(
          (element) => element.getBoundingClientRect().right > 320 || element.scrollWidth > element.clientWidth + 1,
        )
        .filter((element) => getComputedStyle(element).display !== "inline")
        .map((element) => element.outerHTML),
    )
    expect(sticksOut).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320)
    await shoot(page, "phone-narrow")
  })

  it("weighs less than 50 KB on the wire, everything together", async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    const bodies: Array<Promise<Buffer>> = []
    page.on("response", (response) => {
      if (/\/(index\.html|assets\/|favicon)/.test(new URL(response.url()).pathname)) bodies.push(response.body())
    })
    await page.goto(`${stack.orderUrl}/index.html`, { waitUntil: "load" })
    const sizes = (await Promise.all(bodies)).map((body) => gzipSync(body).length)
    expect(sizes.length).toBeGreaterThanOrEqual(3)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(50_000)
  })
})
