import { randomBytes } from "node:crypto"
import type { IncomingMessage } from "node:http"

/** What a caller may call a request; anything else is not taken over, for it ends up in logs. */
const acceptable = /^[A-Za-z0-9._-]{1,128}$/

/** Of this process, so that ids of two instances differ. */
const prefix = randomBytes(9).toString("base64url")
let count = 0

/** The request's `X-Request-Id`, or a new one: what goes back to the caller, and into every log entry about the request. */
export const of = ({ headers }: IncomingMessage): string => {
  const given = headers["x-request-id"]
  return typeof given === "string" && acceptable.test(given) ? given : `${prefix}-${(++count).toString(36)}`
}
