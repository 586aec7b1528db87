import { IncomingMessage } from "node:http"
import { maximumBodyBytes } from "./Limits.js"

/** A body whose length is not told beforehand. */
export const isChunked = ({ headers }: IncomingMessage): boolean => headers["transfer-encoding"] !== undefined

/**
 * Reads a chunked body before anybody answers, so that one over 64 KiB is refused alike everywhere: by endpoints that read it, by those
 * that ignore it, and where nothing is served. `onRead` gets the same request with its body to be read again; `onTooLarge` is called
 * as soon as there is too much. Neither is called when the body breaks off.
 */
export const readChunked = (
  request: IncomingMessage,
  onRead: (request: IncomingMessage) => void,
  onTooLarge: () => void,
): void => {
  const chunks: Array<Uint8Array> = []
  let size = 0
  const onData = (chunk: Uint8Array) => {
    size += chunk.byteLength
    chunks.push(chunk)
    if (size <= maximumBodyBytes) return
    request.off("data", onData).off("end", onEnd)
    onTooLarge()
  }
  const onEnd = () => onRead(replayed(request, Buffer.concat(chunks, size)))
  request.on("data", onData).on("end", onEnd)
  // A body that breaks off is the parser's to answer, see ParserFaults.ts.
  request.on("error", () => undefined)
}

const replayed = (request: IncomingMessage, body: Uint8Array): IncomingMessage => {
  const again = new IncomingMessage(request.socket)
  const { headers, headersDistinct, httpVersion, httpVersionMajor, httpVersionMinor, method, rawHeaders, url } = request
  const head = { headers, headersDistinct, httpVersion, httpVersionMajor, httpVersionMinor, method, rawHeaders, url }
  Object.assign(again, head, { complete: true })
  again.push(body)
  again.push(null)
  return again
}
