import { hash } from "node:crypto"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type { InvalidRequest } from "@tandem/contracts/http/Errors"
import { Effect } from "effect"
import { invalidRequest } from "../InvalidInput.js"

/** One command under the key that its caller gave it. Two callers, or two operations, never share a key. */
export interface KeyedCommand {
  /** Who asks: nobody else is answered by what was kept for this one. */
  readonly caller: string
  /** Method and route, such as `POST /orders/:id/cancel`. */
  readonly operation: string
  readonly key: string
  /** Tells the same command from another one; see {@link fingerprint}. */
  readonly fingerprint: Uint8Array
}

const printable = /^[\x20-\x7e]{1,255}$/

/**
 * The request's `Idempotency-Key`, undefined when it has none: 1 to 255 printable ASCII characters, taken as they are. Anything else,
 * and a header that comes twice, is {@link InvalidRequest}.
 */
export const idempotencyKey = (
  request: HttpServerRequest.HttpServerRequest,
): Effect.Effect<string | undefined, InvalidRequest> => {
  const key = request.headers["idempotency-key"]
  if (key === undefined) return Effect.succeed(undefined)
  // Node joins a header that comes twice.
  const given = NodeHttpServerRequest.toIncomingMessage(request).headersDistinct["idempotency-key"]
  return given?.length === 1 && printable.test(key)
    ? Effect.succeed(key)
    : Effect.fail(
        invalidRequest([
          { parameter: "Idempotency-Key", detail: "must be given once, as 1 to 255 printable characters" },
        ]),
      )
}

/** A command's decoded values in a fixed order, as 32 bytes: a command means the same whichever form it came in. */
export const fingerprint = (...values: ReadonlyArray<string | number>): Uint8Array =>
  hash("sha256", JSON.stringify(values), "buffer")

/** A command that moves money, under the key that its caller gave it. */
export const underKey = <
  Command extends { readonly userId: string; readonly amount: number; readonly keyedBy: string },
>(
  operation: string,
  command: Command,
  key: string,
): Command & { readonly keyed: KeyedCommand } => ({
  ...command,
  keyed: { caller: command.keyedBy, operation, key, fingerprint: fingerprint(command.userId, command.amount) },
})
