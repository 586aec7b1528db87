import type { AddressInfo } from "node:net"
import type { Frame } from "@tandem/contracts/push/Frame"
import { type ConnectionState, connect } from "@tandem/notification-client/NotificationClient"
import { afterEach, describe, expect, it, vi } from "vitest"
import { WebSocket, WebSocketServer } from "ws"

const ends: Array<() => void> = []
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end()
})

const until = (condition: () => boolean) => vi.waitUntil(condition, { timeout: 20_000, interval: 5 })

/** A server whose every connection follows the script, which gets the position that the client asked for. */
const serve = async (script: (socket: WebSocket, after: number | undefined, attempt: number) => void, port = 0) => {
  const server = new WebSocketServer({ host: "127.0.0.1", port })
  const asked: Array<number | undefined> = []
  server.on("connection", (socket, request) => {
    const after = new URL(request.url ?? "", "http://server").searchParams.get("after")
    asked.push(after === null ? undefined : Number(after))
    script(socket, asked.at(-1), asked.length)
  })
  await new Promise((resolve) => server.once("listening", resolve))
  const stop = () =>
    new Promise<void>((resolve) => {
      for (const socket of server.clients) socket.close(1012)
      server.close(() => resolve())
    })
  ends.push(() => void stop())
  return { port: (server.address() as AddressInfo).port, asked, stop }
}

const subscribe = (port: number, after?: number) => {
  const frames: Array<Frame> = []
  const states: Array<ConnectionState> = []
  const client = connect({
    url: `http://127.0.0.1:${port}`,
    transport: "websocket",
    userId: "1",
    ...(after === undefined ? {} : { after }),
    onFrame: (frame) => frames.push(frame),
    onState: (state) => states.push(state),
    open: (url) => new WebSocket(url),
  })
  ends.push(client.close)
  const changes = () => frames.flatMap((frame) => (frame.type === "welcome" ? [] : [frame.seq]))
  return { client, frames, states, changes }
}

const welcome = (seq: number) => JSON.stringify({ type: "welcome", userId: "1", seq, recovered: true })
const change = (seq: number) => JSON.stringify({ type: "order-status-changed", userId: "1", seq })

describe("a client over real sockets", () => {
  it("goes on where it stood when the server comes back", async () => {
    const before = await serve((socket) => [welcome(0), change(1), change(2)].map((frame) => socket.send(frame)))
    const { states, changes } = subscribe(before.port, 0)
    await until(() => changes().length === 2)
    await before.stop()
    await until(() => states.at(-1) === "waiting")
    const after = await serve((socket, from = 0) => {
      socket.send(welcome(from))
      socket.send(change(from + 1))
    }, before.port)
    await until(() => changes().length === 3)
    expect(changes()).toEqual([1, 2, 3])
    expect(after.asked).toEqual([2])
  })

  it("delivers each number once and in order, whatever repeats, is left out or breaks off", async () => {
    const total = 40
    const { port, asked } = await serve((socket, from = 0, attempt) => {
      socket.send(welcome(from))
      const until = Math.min(total, from + 7)
      for (let seq = from + 1; seq <= until; seq++) {
        socket.send(change(seq))
        if (attempt % 2 === 0) socket.send(change(Math.max(1, seq - 3)))
      }
      if (until === total) return
      if (attempt % 3 === 0) socket.send(change(until + 2))
      else if (attempt % 3 === 1) socket.terminate()
      else socket.send("<html>the proxy is sorry</html>")
    })
    // Without the jitter's randomness the pauses would add up.
    const random = vi.spyOn(Math, "random").mockReturnValue(0)
    ends.push(() => random.mockRestore())
    const { changes } = subscribe(port, 0)
    await until(() => changes().length === total)
    expect(changes()).toEqual(Array.from({ length: total }, (_, index) => index + 1))
    expect(asked.length).toBeGreaterThan(total / 7)
  })

  it("does not mind frames of a kind that it does not know", async () => {
    const { port, asked } = await serve((socket) => {
      socket.send(welcome(0))
      for (const odd of ['{"type":"announcement","text":"hello"}', "null", "7", '{"seq":9}']) socket.send(odd)
      socket.send(Buffer.from([1, 2, 3]))
      socket.send(change(1))
      socket.send(change(2))
    })
    const { frames, changes } = subscribe(port)
    await until(() => changes().length === 2)
    expect(frames).toHaveLength(3)
    expect(asked).toEqual([undefined])
  })

  it("waits for a server that is not there yet", async () => {
    const gone = await serve(() => undefined)
    await gone.stop()
    const { states, frames, client } = subscribe(gone.port, 3)
    await until(() => states.filter((state) => state === "waiting").length >= 2)
    const there = await serve((socket, from = 0) => socket.send(welcome(from)), gone.port)
    await until(() => client.state() === "open")
    expect([frames.length, there.asked]).toEqual([1, [3]])
  })
})
