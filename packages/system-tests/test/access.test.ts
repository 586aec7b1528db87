import { HttpApi } from "@effect/platform"
import { OrderApi } from "@tandem/contracts/http/OrderApi"
import { PaymentApi } from "@tandem/contracts/http/PaymentApi"
import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { type Answer, call, eventually } from "../src/Client.js"

const callers = ["nobody", "owner", "stranger", "operator"] as const

type CallerName = (typeof callers)[number]

/** What each caller gets of something that is the owner's. */
interface Row {
  /** The query, or what stands for the path's id. */
  readonly of: (things: { readonly order: string; readonly owner: string }) => string
  readonly expected: Readonly<Record<CallerName, number>>
}

const reading = { nobody: 401, owner: 200, stranger: 404, operator: 200 }

/** Every endpoint of both services. */
const table: Readonly<Record<string, Row>> = {
  "POST /orders": {
    of: ({ owner }) => `?userId=${owner}&amount=1`,
    expected: { nobody: 401, owner: 201, stranger: 403, operator: 403 },
  },
  "GET /orders": { of: ({ owner }) => `?userId=${owner}`, expected: reading },
  "GET /orders/:id": { of: ({ order }) => order, expected: reading },
  "GET /orders/:id/history": { of: ({ order }) => order, expected: reading },
  // The order is paid by then, which only those may know whose it is.
  "POST /orders/:id/cancel": {
    of: ({ order }) => order,
    expected: { nobody: 401, owner: 409, stranger: 404, operator: 409 },
  },
  "POST /orders/:id/refund": {
    of: ({ order }) => order,
    expected: { nobody: 401, owner: 202, stranger: 404, operator: 202 },
  },
  "GET /notifications": { of: ({ owner }) => `?userId=${owner}`, expected: reading },
  // Everybody's ticket is his own.
  "POST /push-tickets": { of: () => "", expected: { nobody: 401, owner: 201, stranger: 201, operator: 201 } },
  "POST /accounts": {
    of: ({ owner }) => `?userId=${owner}&amount=1`,
    expected: { nobody: 401, owner: 200, stranger: 403, operator: 403 },
  },
  "GET /accounts/:userId": { of: ({ owner }) => owner, expected: reading },
  "GET /accounts/:userId/transfers": { of: ({ owner }) => owner, expected: reading },
  "GET /payments/:orderId": { of: ({ order }) => order, expected: reading },
}

const endpoints = [OrderApi, PaymentApi].flatMap((api, index) => {
  const found: Array<{ readonly service: "orderUrl" | "paymentUrl"; readonly method: string; readonly path: string }> =
    []
  HttpApi.reflect(api as HttpApi.HttpApi.Any & typeof OrderApi, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path } }) =>
      found.push({ service: index === 0 ? "orderUrl" : "paymentUrl", method, path }),
  })
  return found
})

describe("who may do what", () => {
  const owner = "owner"
  let stack: Stack
  let order: string
  let tokens: Readonly<Record<CallerName, string | undefined>>

  const as = (token: string | undefined, headers: Readonly<Record<string, string>> = {}) => ({
    ...headers,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  })
  const ask = (caller: CallerName, method: string, url: string, headers?: Readonly<Record<string, string>>) =>
    call(method, url, undefined, as(tokens[caller], headers))
  const tokenOf = (sub: string, scope?: string) => {
    if (stack.issuer === undefined) throw new Error("the stack has no issuer")
    return stack.issuer.token(scope === undefined ? { sub } : { sub, scope })
  }

  beforeAll(async () => {
    stack = await startStack({ auth: true, durable: false })
    tokens = {
      nobody: undefined,
      owner: await tokenOf(owner, "accounts:fund"),
      stranger: await tokenOf("stranger", "accounts:fund"),
      operator: await tokenOf("operator", "operator"),
    }
    await ask("owner", "POST", `${stack.paymentUrl}/accounts?userId=${owner}&amount=1000`)
    const placed = await ask("owner", "POST", `${stack.orderUrl}/orders?userId=${owner}&amount=10`)
    order = String(placed.body["id"])
    await eventually("the order to be paid", async () => {
      const { body } = await ask("owner", "GET", `${stack.orderUrl}/orders/${order}`)
      return body["status"] === "FINISHED" ? true : undefined
    })
  })
  afterAll(() => stack?.stop())

  const path = (pattern: string, of: string) =>
    pattern.includes(":") ? pattern.replace(/:\w+/, of) : `${pattern}${of}`

  it("is written down for every endpoint", () => {
    expect(endpoints.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(Object.keys(table).sort())
  })

  for (const { service, method, path: pattern } of endpoints) {
    const row = table[`${method} ${pattern}`]
    if (row === undefined) continue
    it(`${method} ${pattern}`, async () => {
      const answers: Record<string, Answer> = {}
      for (const caller of callers) {
        answers[caller] = await ask(caller, method, `${stack[service]}${path(pattern, row.of({ order, owner }))}`)
      }
      expect(Object.fromEntries(callers.map((caller) => [caller, answers[caller]?.status]))).toEqual(row.expected)
      expect(answers["nobody"]?.headers.get("www-authenticate")).toBe('Bearer realm="tandem"')
      if (row.expected.stranger !== 404) return
      // Somebody else's is as if it were not there, to the letter.
      const nothing = { order: "01890a5d-ac96-774b-bcce-b302099a8057", owner: "no-such-user" }
      const missing = await ask("stranger", method, `${stack[service]}${path(pattern, row.of(nothing))}`)
      expect(answers["stranger"]?.body).toEqual(missing.body)
    })
  }

  it("a top-up needs the scope for it, and an operator with it tops up for everybody", async () => {
    const topUp = (token: string, userId: string) =>
      call("POST", `${stack.paymentUrl}/accounts?userId=${userId}&amount=1`, undefined, as(token))
    const without = await topUp(await tokenOf(owner), owner)
    expect([without.status, without.headers.get("www-authenticate")]).toEqual([
      403,
      'Bearer realm="tandem", error="insufficient_scope", scope="accounts:fund"',
    ])
    expect((await topUp(await tokenOf("operator", "operator accounts:fund"), owner)).status).toBe(200)
  })

  it("a command is allowed or not whichever form it comes in", async () => {
    for (const [caller, status] of Object.entries({ nobody: 401, owner: 201, stranger: 403, operator: 403 })) {
      const headers = as(tokens[caller as CallerName])
      const traced = { ...headers, traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }
      const url = `${stack.orderUrl}/orders`
      expect((await call("POST", url, { userId: owner, amount: 1 }, headers)).status).toBe(status)
      expect((await call("POST", `${url}?amount=1&userId=${owner}`, undefined, headers)).status).toBe(status)
      expect((await call("POST", `${url}?userId=${owner}&amount=1`, undefined, traced)).status).toBe(status)
      const topUp = await call("POST", `${stack.paymentUrl}/accounts`, { userId: owner, amount: 1 }, headers)
      expect(topUp.status).toBe(status === 201 ? 200 : status)
    }
  })

  it("an Idempotency-Key replays nothing for somebody else", async () => {
    const headers = { "idempotency-key": "the same for both" }
    const refund = `${stack.orderUrl}/orders/${order}/refund`
    expect((await ask("owner", "POST", refund, headers)).status).toBe(202)
    expect((await ask("owner", "POST", refund, headers)).headers.get("idempotent-replayed")).toBe("true")
    expect((await ask("stranger", "POST", refund, headers)).status).toBe(404)
    const place = (userId: string) => `${stack.orderUrl}/orders?userId=${userId}&amount=1`
    const first = await ask("owner", "POST", place(owner), headers)
    const second = await ask("stranger", "POST", place("stranger"), headers)
    expect([first.status, second.status, second.headers.get("idempotent-replayed")]).toEqual([201, 201, null])
    expect(second.body["userId"]).toBe("stranger")
    expect((await ask("stranger", "POST", place(owner), headers)).status).toBe(403)
  })

  it("a body in parts is the caller's as any other", async () => {
    const inParts = async (caller: CallerName) => {
      const body = new Blob([JSON.stringify({ userId: owner, amount: 1 })]).stream()
      const init = {
        method: "POST",
        body,
        duplex: "half",
        headers: as(tokens[caller], { "content-type": "application/json" }),
      }
      return (await fetch(`${stack.orderUrl}/orders`, init)).status
    }
    expect([await inParts("nobody"), await inParts("owner"), await inParts("stranger")]).toEqual([401, 201, 403])
  })

  it("a token that was changed is nobody's", async () => {
    const url = `${stack.orderUrl}/orders/${order}`
    const good = tokens.owner ?? ""
    for (const bad of [`${good}x`, good.slice(0, -4), good.split(".").slice(0, 2).join("."), "x"]) {
      const { status, headers } = await call("GET", url, undefined, as(bad))
      expect([status, headers.get("www-authenticate")]).toEqual([401, expect.stringContaining("Bearer")])
    }
  })

  it("a stream is opened by a ticket, once, and by nobody else", async () => {
    const open = (query: string) =>
      new Promise<number>((resolve) => {
        const socket = new WebSocket(`${stack.orderUrl.replace("http", "ws")}/ws?${query}`)
        socket.once("message", () => {
          socket.close()
          resolve(101)
        })
        socket.once("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0))
        socket.on("error", () => undefined)
      })
    const follow = async (query: string, headers: Readonly<Record<string, string>> = {}) => {
      const ending = new AbortController()
      const url = `${stack.orderUrl}/notifications/stream?${query}`
      const { status } = await fetch(url, { headers, signal: ending.signal })
      ending.abort()
      return status
    }
    const ticketOf = async (caller: CallerName) =>
      String((await ask(caller, "POST", `${stack.orderUrl}/push-tickets`)).body["ticket"])
    const ticket = await ticketOf("owner")
    expect(await open(`userId=${owner}&after=0&ticket=${ticket}`)).toBe(101)
    expect(await open(`userId=${owner}&after=0&ticket=${ticket}`)).toBe(401)
    expect(await open(`userId=${owner}`)).toBe(401)
    expect(await open(`userId=${owner}&ticket=${await ticketOf("stranger")}`)).toBe(404)
    expect(await open(`userId=${owner}&ticket=${await ticketOf("operator")}`)).toBe(101)
    const another = await ticketOf("owner")
    expect(await follow(`after=0&ticket=${another}`)).toBe(200)
    expect(await follow(`after=0&ticket=${another}`)).toBe(401)
    expect(await open(`after=0&ticket=${another}`)).toBe(401)
    expect(await follow(`userId=${owner}`)).toBe(401)
    expect(await follow(`userId=${owner}&ticket=${await ticketOf("stranger")}`)).toBe(404)
    expect(await follow(`userId=${owner}`, as(tokens.owner))).toBe(200)
    expect(await follow(`userId=${owner}`, as(tokens.stranger))).toBe(404)
    const head = await fetch(`${stack.orderUrl}/notifications/stream?userId=${owner}`, { method: "HEAD" })
    expect(head.status).toBe(401)
  })

  it("documents, pages, health and metrics are everybody's", async () => {
    for (const url of [stack.orderUrl, stack.paymentUrl]) {
      for (const open of [
        "/openapi.json",
        "/docs",
        "/swagger-ui/index.html",
        "/health/live",
        "/health/ready",
        "/metrics",
      ]) {
        expect((await fetch(`${url}${open}`)).status, open).toBe(200)
      }
    }
    expect((await fetch(`${stack.orderUrl}/index.html?userId=1`)).status).toBe(200)
  })
})
