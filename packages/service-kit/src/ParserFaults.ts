import { STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import { problemMediaType } from "@tandem/contracts/Problem"
import { maximumUriBytes } from "./Limits.js"
import { bodyOf, type Problem, statusHeaders } from "./ProblemDetails.js"
import { securityHeaders } from "./ServiceResponse.js"

/** A whole answer as text, for a connection that has no response object. It is the connection's last. */
export const problemText = (problem: Problem): string => {
  const body = bodyOf(problem)
  const text = JSON.stringify(body)
  const headers = {
    ...securityHeaders,
    ...statusHeaders(body.status, body.type),
    ...problem.headers,
    "content-type": problemMediaType,
    "content-length": String(Buffer.byteLength(text)),
    connection: "close",
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status] ?? ""}\r\n${lines.join("")}\r\n${text}`
}

/** Answers on a bare socket and ends it. */
export const endWith = (socket: Duplex, problem: Problem): void => {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(problemText(problem), () => socket.destroy())
}

/** Node's `clientError` event: what its parser refuses, and requests that do not arrive in time. */
export const refuseUnparsed = (
  error: NodeJS.ErrnoException & { readonly rawPacket?: Uint8Array },
  socket: Duplex,
): void => {
  if (error.code === "ECONNRESET" || !socket.writable || answering(socket)) {
    socket.destroy()
    return
  }
  endWith(socket, refusal(error))
}

/** Bytes of an answer are out already, so that a second head would be taken for its body. */
const answering = (socket: Duplex): boolean => {
  const response: unknown = "_httpMessage" in socket ? socket._httpMessage : undefined
  return typeof response === "object" && response !== null && "headersSent" in response && response.headersSent === true
}

const refusal = ({ code, rawPacket }: NodeJS.ErrnoException & { readonly rawPacket?: Uint8Array }): Problem => {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return isLongRequestLine(rawPacket)
        ? { kind: "uri-too-long", detail: `A request target may have ${maximumUriBytes} bytes at most.` }
        : { kind: "headers-too-large", detail: "The headers are too large together." }
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return { kind: "payload-too-large", detail: "The chunk extensions of the body are too large." }
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return { kind: "invalid-request", detail: "The request did not arrive in time." }
    default:
      return { kind: "invalid-request", detail: "This is not a valid HTTP/1.1 request." }
  }
}

/** The packet begins a request whose first line alone is over the limit. */
const isLongRequestLine = (packet: Uint8Array | undefined): boolean => {
  if (packet === undefined) return false
  const start = Buffer.from(packet.buffer, packet.byteOffset, Math.min(packet.byteLength, maximumUriBytes))
  return /^[A-Z]+ \S+$/.test(start.toString("latin1"))
}
