import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { connect, type Refusal } from "@tandem/notification-client/NotificationClient"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { WebSocket, WebSocketServer } from "ws"

const ends: Array<() => void> = []
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end()
  vi.restoreAllMocks()
})
// The pauses are not what is looked at here.
beforeEach(() => void vi.spyOn(Math, "random").mockReturnValue(0))

const until = (condition: () => boolean) => vi.waitUntil(condition, { timeout: 20_000, interval: 5 })

const frame = (seq: number) => JSON.stringify({ type: "order-status-changed", userId: "1", seq })
const welcome = (seq: number) => JSON.stringify({ type: "welcome", userId: "1", seq, recovered: true })

interface Script {
  /** Without it WebSockets are refused, as by a proxy that does not know them. */
  readonly onSocket?: (socket: WebSocket, query: URLSearchParams) => void
  readonly onStream?: (response: ServerResponse, query: URLSearchParams, attempt: number) => void
}

const serve = async ({ onSocket, onStream }: Script) => {
  const asked: Array<string> = []
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://server")
    asked.push(pathname)
    if (onStream === undefined) response.writeHead(404).end("{}")
    else onStream(response, searchParams, asked.length)
  })
  const sockets = new WebSocketServer({ noServer: true })
  server.on("upgrade", (request, socket, head) => {
    // Node leaves an upgraded socket to its owner, and a client may reset it.
    socket.on("error", () => socket.destroy())
    const { pathname, searchParams } = new URL(request.url ?? "", "http://server")
    asked.push(pathname)
    if (onSocket === undefined) return void socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
    sockets.handleUpgrade(request, socket, head, (opened) => onSocket(opened, searchParams))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  ends.push(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

const events = (response: ServerResponse, ...frames: ReadonlyArray<string>) => {
  if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" })
  for (const one of frames) response.write(`id: 1\nevent: x\ndata: ${one}\n\n`)
}

const listen = (options: Partial<Parameters<typeof connect>[0]> & { readonly url: string | ReadonlyArray<string> }) => {
  const seqs: Array<number> = []
  const refusals: Array<Refusal> = []
  const client = connect({
    userId: "1",
    open: (url) => new WebSocket(url),
    onFrame: ({ type, seq }) => type === "order-status-changed" && seqs.push(seq),
    onRefused: (refusal) => refusals.push(refusal),
    ...options,
  })
  ends.push(client.close)
  return { client, seqs, refusals }
}

describe("a client whose WebSockets do not get through", () => {
  it("listens to the event stream, and goes on where it stood", async () => {
    const { url, asked } = await serve({
      onStream: (response, query, attempt) => {
        const after = Number(query.get("after"))
        events(response, welcome(after), frame(after + 1))
        response.write(": ping\n\n")
        // Cut in the middle of a frame, and of a letter.
        const last = Buffer.from(`data: ${frame(after + 2).replace("}", ',"é":1}')}\n\n`)
        response.write(last.subarray(0, -9))
        setTimeout(() => (attempt % 2 === 0 ? response.destroy() : response.end(last.subarray(-9))), 20)
      },
    })
    const { seqs } = listen({ url, after: 0 })
    await until(() => seqs.length >= 5)
    expect(seqs.slice(0, 5)).toEqual([1, 2, 3, 4, 5])
    expect(asked.slice(0, 3)).toEqual(["/ws", "/ws", "/notifications/stream"])
  })

  it("takes the event stream at once when told to", async () => {
    const { url, asked } = await serve({ onStream: (response) => events(response, welcome(0), frame(1)) })
    const { seqs } = listen({ url, transport: "sse" })
    await until(() => seqs.length === 1)
    expect(asked).toEqual(["/notifications/stream"])
  })
})

describe("a client that is refused", () => {
  const refusing = (status: number, problem: string) =>
    serve({
      onStream: (response) =>
        response
          .writeHead(status, { "content-type": "application/problem+json" })
          .end(JSON.stringify({ type: `urn:tandem:problem:${problem}` })),
    })

  for (const [status, problem] of [
    [400, "invalid-request"],
    [401, "unauthorized"],
    [404, "not-found"],
  ] as const) {
    it(`learns why, and asks no more: ${status}`, async () => {
      const { url, asked } = await refusing(status, problem)
      const { client, refusals } = listen({ url })
      await until(() => refusals.length > 0)
      expect([client.state(), refusals]).toEqual(["closed", [{ status, problem }]])
      expect(asked).toHaveLength(3)
    })
  }

  it("tries on where it may pass: 503 and 429", async () => {
    const { url } = await serve({
      onStream: (response, _query, attempt) =>
        attempt < 3 ? response.writeHead(attempt === 1 ? 503 : 429).end("{}") : events(response, welcome(0), frame(1)),
    })
    const { seqs } = listen({ url, transport: "sse" })
    await until(() => seqs.length === 1)
  })
})

describe("a client with tickets", () => {
  it("asks for a new one for each attempt, and after its credentials have expired", async () => {
    const seen: Array<string | null> = []
    const { url } = await serve({
      onSocket: (socket, query) => {
        seen.push(query.get("ticket"))
        socket.send(welcome(0))
        if (seen.length < 3) socket.close(4401)
      },
    })
    let given = 0
    const { client } = listen({
      url,
      ticket: async () => {
        if (given++ === 1) throw new Error("the service is away")
        return `t${given}`
      },
    })
    await until(() => seen.length === 3 && client.state() === "open")
    expect(seen).toEqual(["t1", "t3", "t4"])
  })

  it("is closed when its credentials have expired and it has none", async () => {
    const { url } = await serve({ onSocket: (socket) => socket.close(4401) })
    const { client, refusals } = listen({ url })
    await until(() => refusals.length === 1)
    expect([client.state(), refusals]).toEqual(["closed", [{ status: 401, problem: undefined }]])
  })
})

it("goes on at the next address when one does not answer", async () => {
  const { url } = await serve({ onSocket: (socket) => socket.send(welcome(7)) })
  const { client } = listen({ url: ["http://127.0.0.1:9", url] })
  await until(() => client.state() === "open")
})
