import { type OutgoingHttpHeader, type OutgoingHttpHeaders, ServerResponse } from "node:http"

/** On every answer, whoever writes it. A page brings a policy of its own, which takes the place of this one. */
export const securityHeaders: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}

/** How long the rest of a refused body is read and thrown away, in ms, and how much of it, in bytes. */
const lingering = { ms: 1_000, bytes: 1_048_576 }

/**
 * The server's response class. Adds what every answer carries, so that no route, refusal or fault can be without it: the security
 * headers, the CORS headers of the request, the rate limit, and `Connection: close` once the server shuts down.
 */
export class ServiceResponse extends ServerResponse {
  /** The CORS headers that this request's origin gets. */
  cors: Readonly<Record<string, string>> | undefined
  /** What is left of the caller's rate limit, in headers. */
  quota: Readonly<Record<string, string>> | undefined
  /** The client waits for a word (`Expect: 100-continue`) before it sends its body. One that gets none must not be waited for in turn. */
  continues = false
  /** The request's id: as the caller has named it, or ours. */
  requestId: string | undefined
  /** The trace context that the request came with (W3C), to be given back. */
  traceparent: string | undefined
  /** Somebody collects the spans of this request. */
  traced = false
  /** Ends the connection after this answer. */
  last = false

  override writeHead(
    status: number,
    reason?: string | OutgoingHttpHeaders | Array<OutgoingHttpHeader>,
    headers?: OutgoingHttpHeaders | Array<OutgoingHttpHeader>,
  ): this {
    const given = typeof reason === "string" ? headers : reason
    const all: OutgoingHttpHeaders = {
      ...securityHeaders,
      ...this.cors,
      ...this.quota,
      ...(Array.isArray(given) ? paired(given) : given),
    }
    if (this.requestId !== undefined) all["x-request-id"] = this.requestId
    if (this.traceparent !== undefined) all["traceparent"] = this.traceparent
    if (this.last || this.continues) all["connection"] = "close"
    return typeof reason === "string" ? super.writeHead(status, reason, all) : super.writeHead(status, all)
  }

  /**
   * A refused body is still on its way when the answer is complete. Closing at once would reset the connection, and a client that is
   * busy sending would never see why: so the answer goes out, and the connection ends a moment later.
   */
  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    const isWhole = typeof chunk === "string" || chunk instanceof Uint8Array
    if (this.statusCode === 413 && !this.req.complete && isWhole) {
      this.write(chunk)
      this.linger(() => this.end(undefined, encoding, callback))
      return this
    }
    // Node takes the callback in any of the three places.
    return super.end(chunk, encoding as BufferEncoding, callback as (() => void) | undefined)
  }

  private linger(end: () => void): void {
    const request = this.req
    let left = lingering.bytes
    const done = () => {
      clearTimeout(timer)
      request.off("data", onData).off("end", done).off("close", done)
      if (!this.writableEnded) end()
    }
    const onData = (part: Uint8Array) => {
      left -= part.byteLength
      if (left < 0) done()
    }
    const timer = setTimeout(done, lingering.ms)
    request.on("data", onData).on("end", done).on("close", done).resume()
  }
}

const paired = (headers: Array<OutgoingHttpHeader>): OutgoingHttpHeaders => {
  const pairs: OutgoingHttpHeaders = {}
  for (let index = 0; index + 1 < headers.length; index += 2) {
    pairs[String(headers[index]).toLowerCase()] = headers[index + 1]
  }
  return pairs
}
