import { createServer } from "node:http"
import { type WebSocket, WebSocketServer } from "ws"
import { serve } from "./Control.js"

/** The least that can tell users something: `ws`, and a map from a user to his socket; with `PINGS` it looks whether they are there. */
const users = new Map<string, WebSocket>()
const silent = new Set<WebSocket>()
const server = createServer()
new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false }).on("connection", (socket, { url }) => {
  const userId = new URL(url ?? "/", "http://service").searchParams.get("userId") ?? ""
  users.set(userId, socket)
  socket.on("error", () => socket.terminate())
  socket.on("close", () => users.delete(userId))
  if (process.env["PINGS"] !== undefined) socket.on("pong", () => silent.delete(socket))
  socket.send(JSON.stringify({ type: "welcome", userId, seq: 0, recovered: true }))
})

/** Each socket every 25 s, some of them every 10 ms. */
const pingInterval = 25_000
let round: IterableIterator<WebSocket> = users.values()
let due = 0
let last = performance.now()
const ping = () => {
  const now = performance.now()
  due += ((now - last) * users.size) / pingInterval
  last = now
  for (; due >= 1; due--) {
    const next = round.next()
    if (next.done === true) {
      round = users.values()
      continue
    }
    const socket = next.value
    if (silent.has(socket)) socket.terminate()
    silent.add(socket)
    socket.ping()
  }
}
if (process.env["PINGS"] !== undefined) setInterval(ping, 10)

server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the server listens on no port")
  serve(address.port, (frame) => users.get(frame.userId)?.send(JSON.stringify(frame)))
})
