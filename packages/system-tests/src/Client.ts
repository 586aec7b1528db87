import { setTimeout as delay } from "node:timers/promises"

/** An answer of either service: its status, headers and body, parsed when it is JSON. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

/** One request as curl would send it; rejects when there is no answer within `timeout` ms. */
export const call = async (
  method: string,
  url: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
  timeout = 60_000,
): Promise<Answer> => {
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(timeout),
    headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === "" ? {} : JSON.parse(text) }
}

/** Looks at something every few milliseconds until it is there; fails when it is not after `seconds`. */
export const eventually = async <A>(what: string, look: () => Promise<A | undefined>, seconds = 60): Promise<A> => {
  const deadline = Date.now() + seconds * 1_000
  let last: unknown
  while (Date.now() < deadline) {
    try {
      const found = await look()
      if (found !== undefined) return found
    } catch (error) {
      last = error
    }
    await delay(20)
  }
  throw new Error(`${what}: not within ${seconds} s`, { cause: last })
}

/** An order once it is no longer NEW. */
export const settled = (orderUrl: string, id: unknown, seconds?: number) =>
  eventually(
    `order ${String(id)} to be settled`,
    async () => {
      const { status, body } = await call("GET", `${orderUrl}/orders/${String(id)}`)
      return status === 200 && body["status"] !== "NEW" ? body : undefined
    },
    seconds,
  )
