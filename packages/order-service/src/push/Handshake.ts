import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { NodeServer } from "@tandem/service-kit/NodeServer"
import type { Origins } from "@tandem/service-kit/Origins"
import { endWith } from "@tandem/service-kit/ParserFaults"
import type { Problem } from "@tandem/service-kit/ProblemDetails"
import { internalError } from "@tandem/service-kit/Problems"
import { type Context, Either } from "effect"
import { type WebSocket, WebSocketServer } from "ws"
import * as PushRequest from "./PushRequest.js"
import type { Permit } from "./StreamAccess.js"

/** The largest message that a client may send, in bytes; what it says is ignored. A larger one closes with 1009. */
const maximumInboundBytes = 64 * 1024

const restarting: Problem = { kind: "service-unavailable", detail: "The service restarts." }

/** Where sockets are opened, and what becomes of them. */
export interface HandshakeOptions {
  readonly server: Context.Tag.Service<NodeServer>["server"]
  readonly origins: Context.Tag.Service<Origins>
  readonly path: string
  /** Decides who may listen. A rejection is a bug, which it has told. */
  readonly authorize: (
    request: IncomingMessage,
    asked: PushRequest.PushRequest,
  ) => Promise<Either.Either<Permit, Problem>>
  /** Gets every socket that was opened. */
  readonly accept: (socket: WebSocket, permit: Permit, after: number | undefined) => void
}

/**
 * Answers the WebSocket upgrades of one path, and leaves the others to whoever else listens. What is refused is told as a problem
 * before the upgrade: a foreign `Origin` 403, an invalid query or handshake 400, another method than GET 405, a caller who may not listen
 * 401 or 404. Call the answer to stop.
 */
export const listen = ({ server, origins, path, authorize, accept }: HandshakeOptions): (() => void) => {
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

  let stopped = false
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
    socket.on("error", destroy)
    void authorize(request, asked.right).then(
      (permit) => {
        if (stopped) return endWith(socket, restarting)
        if (Either.isLeft(permit)) return endWith(socket, permit.left)
        // Gone while it was looked at.
        if (socket.destroyed) return
        sockets.handleUpgrade(request, socket, head, (webSocket) => accept(webSocket, permit.right, asked.right.after))
      },
      () => endWith(socket, stopped ? restarting : internalError),
    )
  }

  server.on("upgrade", onUpgrade)
  return () => {
    stopped = true
    server.off("upgrade", onUpgrade)
  }
}

/** A listener that stays with the socket, and so must not remember the request. */
function destroy(this: Duplex): void {
  this.destroy()
}
