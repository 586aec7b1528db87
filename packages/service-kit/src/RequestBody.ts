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

/** `application/json`, said once, in UTF-8 if anything is said of it, and not compressed. */
export const isJson = ({ headers, rawHeaders }: IncomingMessage): boolean => {
  // Node keeps the first of two types, and whoever stands before us may have looked at the second.
  const types = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "content-type")
  if (types.length > 1) return false
  const [mediaType = "", ...parameters] = (headers["content-type"] ?? "").toLowerCase().split(";")
  const encoding = headers["content-encoding"]
  return (
    mediaType.trim() === "application/json" &&
    parameters.every((parameter) => !/^\s*charset\s*=/.test(parameter) || /=\s*"?utf-?8"?\s*$/.test(parameter)) &&
    (encoding === undefined || encoding.trim().toLowerCase() === "identity")
  )
}

/** A body that was read. */
export interface JsonBody {
  readonly value: unknown
  /** The names that its outermost object has more than once; `value` has the last of each. */
  readonly repeated: ReadonlyArray<string>
}

/**
 * Reads a body behind one gate: its media type first, then its length, told or counted, so that 64 KiB are the most that is ever held.
 * The rest of one that is too large stays unread.
 */
export const readJson = (
  message: IncomingMessage,
): Effect.Effect<JsonBody, UnsupportedMediaType | PayloadTooLarge | MalformedJson> => {
  if (!isJson(message)) {
    return Effect.fail(new UnsupportedMediaType({ detail: unsupportedDetail }))
  }
  if (Number(message.headers["content-length"] ?? 0) > maximumBodyBytes) return Effect.fail(tooLarge)
  return Effect.flatMap(readBytes(message), (bytes) =>
    Effect.try({
      try: (): JsonBody => {
        const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
        return { value: JSON.parse(text), repeated: repeatedNames(text) }
      },
      catch: () => new MalformedJson({ detail: "The body is not valid JSON." }),
    }),
  )
}

const tokens = /"(?:[^"\\]|\\.)*"(?<colon>\s*:)?|[{}[\]]/g

/** `JSON.parse` takes the last of two members of one name, another parser the first (RFC 8259, 4). */
const repeatedNames = (json: string): ReadonlyArray<string> => {
  const names = new Set<string>()
  const repeated = new Set<string>()
  let depth = 0
  for (const { 0: token, groups } of json.matchAll(tokens)) {
    if (token === "{" || token === "[") depth++
    else if (token === "}" || token === "]") depth--
    else if (depth === 1 && groups?.["colon"] !== undefined) {
      const name = String(JSON.parse(token.slice(0, token.lastIndexOf('"') + 1)))
      if (names.has(name)) repeated.add(name)
      names.add(name)
    }
  }
  return [...repeated]
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
