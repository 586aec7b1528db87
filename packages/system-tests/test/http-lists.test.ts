import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Answer, call, eventually, settled } from "../src/Client.js"

interface Item {
  readonly id: string
  readonly status?: string
  readonly at?: string
}

describe("lists and versions", () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ broker: "postgres" })
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  const get = (url: string, headers?: Readonly<Record<string, string>>) => call("GET", url, undefined, headers)
  const items = ({ body }: Answer) => body["items"] as ReadonlyArray<Item>
  const place = async (userId: string, amount = 1) =>
    String((await call("POST", `${stack.orderUrl}/orders?userId=${userId}&amount=${amount}`)).body["id"])
  const fund = (userId: string, amount = 1) =>
    call("POST", `${stack.paymentUrl}/accounts?userId=${userId}&amount=${amount}`)

  /** Every page of a list, `meanwhile` between two. */
  const pages = async (url: string, limit: number, meanwhile: () => Promise<unknown>) => {
    const found: Array<ReadonlyArray<Item>> = []
    let cursor: unknown = ""
    while (cursor !== null) {
      const answer = await get(`${url}${url.includes("?") ? "&" : "?"}limit=${limit}&cursor=${cursor}`)
      expect(answer.status).toBe(200)
      found.push(items(answer))
      cursor = answer.body["next"]
      await meanwhile()
    }
    return found
  }

  it("neither repeat nor hide a row while others are being added, newest first", async () => {
    const placed: Array<string> = []
    for (let n = 0; n < 23; n++) placed.push(await place("many"))
    for (let n = 0; n < 23; n++) await fund("many")
    let inserting = true
    const insert = async () => {
      while (inserting) await Promise.all([place("many"), fund("many")])
    }
    const inserts = [insert(), insert()]
    const check = async (url: string, known?: ReadonlyArray<string>) => {
      const found = await pages(url, 5, () => Promise.all([place("many"), fund("many")]))
      const ids = found.flat().map(({ id }) => id)
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids.length).toBeGreaterThanOrEqual(23)
      // An order's id tells the time; transfers are in the order of the account's versions.
      const moments = found.flat().map(({ id, at }) => at ?? id)
      expect(moments).toEqual([...moments].sort().reverse())
      for (const page of found.slice(0, -1)) expect(page).toHaveLength(5)
      if (known !== undefined) expect(ids.filter((id) => known.includes(id))).toEqual([...known].reverse())
    }
    try {
      await check(`${stack.orderUrl}/orders?userId=many`, placed)
      await check(`${stack.paymentUrl}/accounts/many/transfers`)
    } finally {
      inserting = false
      await Promise.all(inserts)
    }
  }, 60_000)

  it("hold 1 to 200 items, 50 when nobody says, and those of a status when one is given", async () => {
    await fund("filtered", 30)
    for (let n = 0; n < 52; n++) await place("filtered", n < 30 ? 1 : 1_000)
    const all = `${stack.orderUrl}/orders?userId=filtered`
    await eventually("every order to be settled", async () =>
      items(await get(`${all}&status=NEW`)).length === 0 ? true : undefined,
    )
    expect(items(await get(all))).toHaveLength(50)
    expect(items(await get(`${all}&limit=1`))).toHaveLength(1)
    expect(items(await get(`${all}&limit=200&status=&cursor=`))).toHaveLength(52)
    const finished = await pages(`${all}&status=FINISHED`, 7, () => Promise.resolve())
    expect(finished.map((page) => page.length)).toEqual([7, 7, 7, 7, 2])
    expect(new Set(finished.flat().map(({ status }) => status))).toEqual(new Set(["FINISHED"]))
    expect(await get(`${all}&status=REFUNDED`)).toMatchObject({ status: 200, body: { items: [], next: null } })
    const nobody = await get(`${stack.orderUrl}/orders?userId=nobody`)
    expect([nobody.status, nobody.body]).toEqual([200, { items: [], next: null }])
  }, 60_000)

  it("take no cursor of another user, filter or list, and none that was changed", async () => {
    for (const user of ["one", "two"]) {
      for (let n = 0; n < 2; n++) {
        await place(user)
        await fund(user)
      }
    }
    const orders = (user: string) => `${stack.orderUrl}/orders?userId=${user}&limit=1`
    const transfers = (user: string) => `${stack.paymentUrl}/accounts/${user}/transfers?limit=1`
    const next = async (url: string) => String((await get(url)).body["next"])
    const order = await next(orders("one"))
    const transfer = await next(transfers("one"))
    expect((await get(`${orders("one")}&cursor=${order}`)).status).toBe(200)
    expect((await get(`${transfers("one")}&cursor=${transfer}`)).status).toBe(200)
    for (const url of [
      `${orders("two")}&cursor=${order}`,
      `${orders("one")}&status=FINISHED&cursor=${order}`,
      `${orders("one")}&cursor=${transfer}`,
      `${orders("one")}&cursor=${order.slice(0, -1)}`,
      `${transfers("two")}&cursor=${transfer}`,
      `${transfers("one")}&cursor=${order}`,
      `${transfers("one")}&cursor=A${transfer.slice(1)}`,
    ]) {
      const { status, body } = await get(url)
      expect([url, status, body["errors"]]).toEqual([url, 400, [{ parameter: "cursor", detail: expect.any(String) }]])
    }
  })

  it("are the same whether read with others or alone, and each asker is shown his own", async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => place("together", 1 + n)))
    const missing = "01936f4e-8f2a-7c3b-9d4e-5f6071829304"
    const asked = [...ids, missing, ...ids]
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await Promise.all(ids.map((id) => settled(stack.orderUrl, id)))
    const shown = async (id: string, headers?: Readonly<Record<string, string>>) => {
      const { status, headers: given, body } = await get(`${stack.orderUrl}/orders/${id}`, headers)
      const own = ["date", "x-request-id", "traceparent"]
      return { status, body, headers: Object.fromEntries([...given].filter(([name]) => !own.includes(name))) }
    }
    // A traced request goes by way of the endpoint.
    const alone = await Promise.all(asked.map((id) => shown(id, { traceparent })))
    expect(await Promise.all(asked.map((id) => shown(id)))).toEqual(alone)
    expect(alone.map(({ status, body }) => (status === 404 ? missing : body["id"]))).toEqual(asked)
  }, 60_000)

  it("are told apart by ETag, and what the caller has already is 304 without a body", async () => {
    await fund("tagged", 10)
    const id = await place("tagged", 10)
    const isNew = await get(`${stack.orderUrl}/orders/${id}`)
    await settled(stack.orderUrl, id)
    await eventually("the decision", async () =>
      (await get(`${stack.paymentUrl}/payments/${id}`)).status === 200 ? true : undefined,
    )
    const urls = [
      `${stack.orderUrl}/orders/${id}`,
      `${stack.orderUrl}/orders/${id}/history`,
      `${stack.paymentUrl}/accounts/tagged`,
      `${stack.paymentUrl}/payments/${id}`,
    ]
    const tags: Array<string> = []
    for (const url of urls) {
      const whole = await get(url)
      const etag = whole.headers.get("etag") ?? ""
      tags.push(etag)
      expect(etag).toMatch(/^"[\x21\x23-\x7e]+"$/)
      for (const condition of [etag, `W/${etag}`, "*", ` "0", W/${etag} , "x"`, `"a,b",${etag}`]) {
        for (const method of ["GET", "HEAD"]) {
          const same = await fetch(url, { method, headers: { "if-none-match": condition } })
          expect([url, condition, method, same.status]).toEqual([url, condition, method, 304])
          expect([same.headers.get("etag"), same.headers.get("cache-control")]).toEqual([etag, "private, no-cache"])
          expect([same.headers.get("content-type"), same.headers.get("content-length")]).toEqual([null, null])
          expect(await same.text()).toBe("")
        }
      }
      for (const condition of ['"0"', etag.slice(1, -1), `"${etag}"x`, '""', '"', "W/", `w/"0"`]) {
        const { status, body } = await get(url, { "if-none-match": condition })
        expect([url, condition, status, body]).toEqual([url, condition, 200, whole.body])
      }
    }
    const missing = await get(`${stack.paymentUrl}/accounts/nobody`, { "if-none-match": "*" })
    expect(missing.status).toBe(404)

    expect(isNew.headers.get("etag")).not.toBe(tags[0])
    await call("POST", `${urls[0]}/refund`)
    for (const [index, url] of urls.entries()) {
      const condition = { "if-none-match": tags[index] ?? "" }
      await eventually(`${url} to change`, async () => ((await get(url, condition)).status === 200 ? true : undefined))
    }
  }, 60_000)
})
