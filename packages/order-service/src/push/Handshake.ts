import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { NodeServer } from "@tandem/service-kit/NodeServer"
import type { Origins } from "@tandem/service-kit/Origins"
import { endWith } from "@tandem/service-kit/ParserFaults"
import { type Context, Either } from "effect"
import { type WebSocket, WebSocketServer } from "ws"
import * as PushRequest from "./PushRequest.js"

/** The largest message that a client may send, in bytes; what it says is ignored. A larger one closes with 1009. */
const maximumInboundBytes = 64 * 1024

/** Where sockets are opened, and what becomes of them. */
export interface HandshakeOptions {
  readonly server: Context.Tag.Service<NodeServer>["server"]
  readonly origins: Context.Tag.Service<Origins>
  readonly path: string
  /** Gets every socket that was opened. */
  readonly accept: (socket: WebSocket, request: PushRequest.PushRequest) => void
}

/**
 * Answers the WebSocket upgrades of one path, and leaves the others to whoever else listens. What is refused is told as a problem
 * before the upgrade: a foreign `Origin` 403, an invalid query or handshake 400, another method than GET 405. Call the answer to stop.
 */
export const listen = ({ server, origins, path, accept }: HandshakeOptions): (() => void) => {
  // Compression would cost each socket a hundred times its memory, for frames of 250 bytes.
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maximumInboundBytes,
    perMessageDeflate: false,
    clientTracking: false,
  })

  sockets.on("wsClientError", (_fault, socket, request) =>
    endWith(
      socket,
      request.method === "GET"
        ? {
            kind: "invalid-request",
            detail: "This is no WebSocket handshake (RFC 6455, 4.2.1).",
            headers: { "sec-websocket-version": "13" },
          }
        : { kind: "method-not-allowed", detail: "A WebSocket is opened by GET.", headers: { allow: "GET" } },
    ),
  )

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const target = request.url ?? "/"
    // The parser lets through what is no URL, such as `//[`, and a listener that throws ends the process.
    if (!URL.canParse(target, "http://service") || request.headers.upgrade?.toLowerCase() !== "websocket") return
    const url = new URL(target, "http://service")
    if (url.pathname !== path) return
    const refusal = origins.refuse(request)
    if (refusal !== undefined) return endWith(socket, refusal)
    const asked = PushRequest.read(url.searchParams)
    if (Either.isLeft(asked)) {
      const detail = "The request is invalid; errors says where and why."
      return endWith(socket, { kind: "invalid-request", detail, errors: asked.left })
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => accept(webSocket, asked.right))
  }

  server.on("upgrade", onUpgrade)
  return () => server.off("upgrade", onUpgrade)
}
