import { createServer } from "node:http"
import { type WebSocket, WebSocketServer } from "ws"
import { serve } from "./Control.js"

/** The least that can tell users something: `ws`, and a map from a user to his socket. */
const users = new Map<string, WebSocket>()
const server = createServer()
new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false }).on("connection", (socket, { url }) => {
  const userId = new URL(url ?? "/", "http://service").searchParams.get("userId") ?? ""
  users.set(userId, socket)
  socket.on("error", () => socket.terminate())
  socket.on("close", () => users.delete(userId))
  socket.send(JSON.stringify({ type: "welcome", userId, seq: 0, recovered: true }))
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the server listens on no port")
  serve(address.port, (frame) => users.get(frame.userId)?.send(JSON.stringify(frame)))
})
