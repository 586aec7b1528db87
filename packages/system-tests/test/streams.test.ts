import { request } from "node:http"
import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { call, eventually, settled } from "../src/Client.js"

interface StreamEvent {
  readonly id: string
  readonly event: string
  readonly data: Record<string, unknown>
}

/** An event stream as a browser reads it: whole events, in order. */
const openStream = (url: string, headers: Readonly<Record<string, string>> = {}) => {
  const events: Array<StreamEvent> = []
  const state: { status?: number; headers?: Record<string, unknown>; ended: boolean; body: string } = {
    ended: false,
    body: "",
  }
  const asked = request(url, { headers, agent: false }, (response) => {
    state.status = response.statusCode ?? 0
    state.headers = response.headers
    response.setEncoding("utf8")
    response.on("data", (text: string) => {
      state.body += text
      const blocks = state.body.split("\n\n")
      state.body = blocks.pop() ?? ""
      for (const block of blocks) {
        const fields = new Map(block.split("\n").map((line) => line.split(/: (.*)/, 2) as [string, string]))
        const [id, event, data] = [fields.get("id"), fields.get("event"), fields.get("data")]
        if (id !== undefined && event !== undefined && data !== undefined)
          events.push({ id, event, data: JSON.parse(data) })
      }
    })
    response.on("close", () => (state.ended = true))
  })
  asked.on("error", () => (state.ended = true))
  asked.end()
  return { events, state, close: () => asked.destroy() }
}

describe("notifications by list and by event stream", () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ broker: "postgres" })
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  const place = async (userId: string) =>
    settled(stack.orderUrl, (await call("POST", `${stack.orderUrl}/orders?userId=${userId}&amount=10`)).body["id"])
  const list = async (query: string) => {
    const { status, body } = await call("GET", `${stack.orderUrl}/notifications?${query}`)
    return { status, body, seqs: ((body["items"] ?? []) as ReadonlyArray<{ seq: number }>).map(({ seq }) => seq) }
  }

  it("are listed by number, page after page", async () => {
    expect((await list("userId=listed")).body).toEqual({ items: [], next: null })
    for (let index = 0; index < 5; index++) await place("listed")
    const first = await list("userId=listed&limit=2")
    expect([first.status, first.seqs, first.body["next"]]).toEqual([200, [1, 2], 2])
    const second = await list("userId=listed&limit=2&after=2")
    expect([second.seqs, second.body["next"]]).toEqual([[3, 4], 4])
    const third = await list("userId=listed&limit=2&after=4")
    expect([third.seqs, third.body["next"]]).toEqual([[5], null])
    expect((await list("userId=listed&after=")).seqs).toEqual([1, 2, 3, 4, 5])
    for (const query of ["", "userId=a%20b", "userId=1&after=-1", "userId=1&after=01", "userId=1&limit=201"]) {
      expect((await list(query)).status).toBe(400)
    }
  }, 60_000)

  it("stream with their numbers as ids: what was missed first, then what happens", async () => {
    await place("streamed")
    const stream = openStream(`${stack.orderUrl}/notifications/stream?userId=streamed&after=0`)
    await eventually("the past", async () => stream.events.length >= 2 || undefined)
    await place("streamed")
    await eventually("what happens", async () => stream.events.length >= 3 || undefined)
    stream.close()
    expect(stream.state.headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    })
    expect(stream.events.map(({ id, event }) => [id, event])).toEqual([
      ["0", "welcome"],
      ["1", "order-status-changed"],
      ["2", "order-status-changed"],
    ])
    expect(stream.events[1]?.data).toMatchObject({ seq: 1, userId: "streamed", status: "CANCELLED" })

    const again = openStream(`${stack.orderUrl}/notifications/stream?userId=streamed&after=0`, { "last-event-id": "1" })
    await eventually("the rest", async () => again.events.length >= 2 || undefined)
    expect(again.events.map(({ id }) => id)).toEqual(["1", "2"])
    expect(again.events[0]?.data).toEqual({ type: "welcome", userId: "streamed", seq: 1, recovered: true })
    again.close()

    const ahead = openStream(`${stack.orderUrl}/notifications/stream?userId=streamed&after=99`)
    await eventually("the welcome", async () => ahead.events.length >= 1 || undefined)
    expect(ahead.events[0]?.data).toMatchObject({ seq: 2, recovered: false })
    ahead.close()
  }, 60_000)

  it("refuse a bad query with a problem, before the stream", async () => {
    for (const [query, headers] of [
      ["", {}],
      ["userId=a%20b", {}],
      ["userId=1&after=x", {}],
      ["userId=1&userId=2", {}],
      ["userId=1", { "last-event-id": "x" }],
    ] as const) {
      const { status, body } = await call("GET", `${stack.orderUrl}/notifications/stream?${query}`, undefined, headers)
      expect([query, status, body["type"]]).toEqual([query, 400, "urn:tandem:problem:invalid-request"])
      expect(body["errors"]).toHaveLength(1)
    }
    const head = await fetch(`${stack.orderUrl}/notifications/stream?userId=1`, { method: "HEAD" })
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"])
    expect((await call("POST", `${stack.orderUrl}/notifications/stream?userId=1`)).status).toBe(405)
  }, 60_000)

  it("end at once when the service shuts down, and do not hold it up", async () => {
    const streams = Array.from({ length: 20 }, () =>
      openStream(`${stack.orderUrl}/notifications/stream?userId=restarted&after=0`),
    )
    await eventually("the welcomes", async () => streams.every(({ events }) => events.length > 0) || undefined)
    await stack.services.order.restart()
    await eventually("the ends", async () => streams.every(({ state }) => state.ended) || undefined)
    expect(stack.log.join("\n")).not.toMatch(/did not end within|did not shut down/)
    const after = openStream(`${stack.orderUrl}/notifications/stream?userId=restarted&after=0`)
    await eventually("a welcome of the new one", async () => after.events.length > 0 || undefined)
    after.close()
  }, 60_000)
})
