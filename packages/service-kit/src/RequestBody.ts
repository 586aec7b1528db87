import type { IncomingMessage } from "node:http"
import { MalformedJson, PayloadTooLarge, UnsupportedMediaType } from "@tandem/contracts/http/Errors"
import { Effect } from "effect"
import { maximumBodyBytes } from "./Limits.js"

/** A body comes with the request, however empty. */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined ||
  (headers["content-length"] !== undefined && Number(headers["content-length"]) > 0)

/** The `detail` of a 415. */
export const unsupportedDetail = "A body must be application/json in UTF-8, not compressed."

/** `application/json`, in UTF-8 if anything is said of it, and not compressed. */
export const isJson = ({ headers }: IncomingMessage): boolean => {
  const [mediaType = "", ...parameters] = (headers["content-type"] ?? "").toLowerCase().split(";")
  const encoding = headers["content-encoding"]
  return (
    mediaType.trim() === "application/json" &&
    parameters.every((parameter) => !/^\s*charset\s*=/.test(parameter) || /=\s*"?utf-?8"?\s*$/.test(parameter)) &&
    (encoding === undefined || encoding.trim().toLowerCase() === "identity")
  )
}

/**
 * Reads a body behind one gate: its media type first, then its length, told or counted, so that 64 KiB are the most that is ever held.
 * The rest of one that is too large stays unread.
 */
export const readJson = (
  message: IncomingMessage,
): Effect.Effect<unknown, UnsupportedMediaType | PayloadTooLarge | MalformedJson> => {
  if (!isJson(message)) {
    return Effect.fail(new UnsupportedMediaType({ detail: unsupportedDetail }))
  }
  if (Number(message.headers["content-length"] ?? 0) > maximumBodyBytes) return Effect.fail(tooLarge)
  return Effect.flatMap(readBytes(message), (bytes) =>
    Effect.try({
      try: (): unknown => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)),
      catch: () => new MalformedJson({ detail: "The body is not valid JSON." }),
    }),
  )
}

const tooLarge = new PayloadTooLarge({ detail: `A body may have ${maximumBodyBytes} bytes at most.` })

const readBytes = (message: IncomingMessage): Effect.Effect<Uint8Array, PayloadTooLarge | MalformedJson> =>
  Effect.async((resume) => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    const stop = () => {
      message.off("data", onData).off("end", onEnd).off("error", onCut).off("close", onCut)
    }
    const onData = (chunk: Uint8Array) => {
      size += chunk.byteLength
      if (size <= maximumBodyBytes) chunks.push(chunk)
      else {
        stop()
        resume(Effect.fail(tooLarge))
      }
    }
    const onEnd = () => {
      stop()
      resume(Effect.succeed(Buffer.concat(chunks, size)))
    }
    const onCut = () => {
      stop()
      resume(Effect.fail(new MalformedJson({ detail: "The body ended before it was complete." })))
    }
    message.on("data", onData).on("end", onEnd).on("error", onCut).on("close", onCut)
    return Effect.sync(stop)
  })
