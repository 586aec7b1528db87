import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { type WebSocket, WebSocketServer } from "ws"
import { WebSocketConnection } from "../../src/push/WebSocketConnection.js"
import { handshake, speak } from "./hub.js"

const ends: Array<() => void> = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

/** The server's side of a real socket whose client never reads, and whose kernel buffers are full. */
const clogged = async (): Promise<WebSocket> => {
  const server = createServer()
  const sockets = new WebSocketServer({ server, perMessageDeflate: false })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const opened = new Promise<WebSocket>((resolve) => sockets.once("connection", resolve))
  const { socket: client } = speak(port, handshake(port, "/"))
  client.pause()
  const socket = await opened
  ends.push(() => {
    client.destroy()
    socket.terminate()
    server.close()
  })
  // The kernel may take more a moment later, so it is full once nothing has moved for a while.
  const block = Buffer.alloc(64 * 1024)
  for (let still = 0, before = -1; still < 10; ) {
    if (socket.bufferedAmount === 0) socket.send(block)
    await new Promise((resolve) => setTimeout(resolve, 5))
    still = socket.bufferedAmount > 0 && socket.bufferedAmount === before ? still + 1 : 0
    before = socket.bufferedAmount
  }
  return socket
}

const live = (socket: WebSocket) => {
  const connection = new WebSocketConnection(socket, { userId: "1", expiresAt: undefined })
  connection.last = 0
  connection.replaying = false
  return connection
}

describe("Connection", () => {
  it("lets 1,000 live frames wait, and is closed by the next", async () => {
    const socket = await clogged()
    const connection = live(socket)
    for (let seq = 1; seq <= 1_000; seq++) expect(connection.offer(seq, `{"seq":${seq}}`)).toBe(true)
    expect(connection.open).toBe(true)
    connection.offer(1_001, `{"seq":1001}`)
    expect(connection.open).toBe(false)
    expect(socket.bufferedAmount).toBeLessThan(1024 * 1024)
  })

  it("lets 1 MiB of live frames wait, and is closed by what is over it", async () => {
    const socket = await clogged()
    const connection = live(socket)
    const frame = "x".repeat(64 * 1024 - 100)
    let seq = 0
    while (socket.bufferedAmount + frame.length + 14 <= 1024 * 1024) connection.offer(++seq, frame)
    expect(connection.open).toBe(true)
    while (socket.bufferedAmount <= 1024 * 1024) connection.offer(++seq, frame)
    expect(connection.open).toBe(false)
    expect(seq).toBeLessThan(1_000)
  })

  it("counts what is replayed as no sign of slowness", async () => {
    const connection = live(await clogged())
    const change = { type: "order-status-changed", userId: "1", amount: 5, status: "FINISHED", reason: null } as const
    const at = "2026-01-01T00:00:00.000Z"
    const page = Array.from({ length: 2_000 }, (_, index) => ({ ...change, seq: index + 1, orderId: "1", at }))
    expect(connection.replay(page)).toBe(true)
    expect([connection.open, connection.last]).toEqual([true, 2_000])
  })

  it("says when a page does not go on where the stream stands, and sends nothing past that", async () => {
    const connection = live(await clogged())
    const change = { type: "order-status-changed", userId: "1", amount: 5, status: "FINISHED", reason: null } as const
    const frame = (seq: number) => ({ ...change, seq, orderId: "1", at: "2026-01-01T00:00:00.000Z" })
    expect(connection.replay([])).toBe(false)
    expect(connection.replay([frame(2)])).toBe(false)
    expect(connection.last).toBe(0)
    expect(connection.replay([frame(1), frame(2), frame(4)])).toBe(false)
    expect(connection.last).toBe(2)
  })
})
