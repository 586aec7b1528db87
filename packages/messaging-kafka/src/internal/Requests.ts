import type { OutgoingMessage } from "@tandem/messaging/Message"

/** One request carries no more than this, in bytes: a broker refuses a batch of a partition over 1 MiB. */
const maximumRequestBytes = 900 * 1024

/** What a message costs beside key, value and headers, in bytes, generously. */
const framingBytes = 100

const sizeOf = ({ value, key, headers }: OutgoingMessage): number => {
  let size = (value?.byteLength ?? 0) + (key?.length ?? 0) * 3 + framingBytes
  for (const name in headers) size += (name.length + (headers[name]?.length ?? 0)) * 3
  return size
}

/** Requests that a broker takes each, in order. */
export const bounded = (messages: ReadonlyArray<OutgoingMessage>): ReadonlyArray<ReadonlyArray<OutgoingMessage>> => {
  const requests: Array<ReadonlyArray<OutgoingMessage>> = []
  let start = 0
  let bytes = 0
  for (const [index, message] of messages.entries()) {
    const size = sizeOf(message)
    if (index > start && bytes + size > maximumRequestBytes) {
      requests.push(messages.slice(start, index))
      start = index
      bytes = 0
    }
    bytes += size
  }
  if (start === 0) return messages.length === 0 ? [] : [messages]
  requests.push(messages.slice(start))
  return requests
}

type Headers = OutgoingMessage["headers"]

const areEqual = (some: Headers, others: Headers): boolean => {
  for (const name in some) if (some[name] !== others[name]) return false
  for (const name in others) if (!(name in some)) return false
  return true
}

/** Encodes headers once while they repeat, as those of one event type do: seven encoded each time cost more than half of the rate. */
export const encodedOnce = <A>(encode: (headers: Headers) => A): ((headers: Headers) => A) => {
  let last: { readonly headers: Headers; readonly encoded: A } | undefined
  return (headers) => {
    if (last === undefined || !areEqual(last.headers, headers)) last = { headers, encoded: encode(headers) }
    return last.encoded
  }
}

/** The same bytes as Node's clients want them. */
export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
