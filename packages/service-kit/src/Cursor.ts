import { createHash } from "node:crypto"
import type { InvalidRequest } from "@tandem/contracts/http/Errors"
import { Effect, Option } from "effect"
import { invalidRequest } from "./InvalidInput.js"

/**
 * What a cursor belongs to: the list's name and whatever chooses its rows, such as `["orders", userId, status]`. Not the size of its
 * pages, which may change from one to the next.
 */
export type ListKey = ReadonlyArray<string>

/**
 * The opaque cursor of the page that follows a position. It is sealed with its list, so that one that was tampered with, cut off, or
 * taken from another list or filter is told from a good one. The seal is no secret: it finds mistakes, and what a cursor leads to is
 * guarded as if there were none.
 *
 * @param position of a page's last row; without `.`
 */
export const encode = (list: ListKey, position: string): string =>
  Buffer.from(`${position}.${seal(list, position)}`).toString("base64url")

const seal = (list: ListKey, position: string): string =>
  createHash("sha256")
    .update(JSON.stringify([...list, position]))
    .digest("base64url")
    .slice(0, 11)

/** The position in a cursor of this list; none when it is not one. */
export const decode = (list: ListKey, cursor: string): Option.Option<string> => {
  const [position = ""] = Buffer.from(cursor, "base64url").toString().split(".")
  // Compared as it was sent: base64 has several texts for the same bytes.
  return encode(list, position) === cursor ? Option.some(position) : Option.none()
}

/**
 * Reads the parameter `cursor`: undefined where there is none or an empty one, and `InvalidRequest` for what is no cursor of this list.
 *
 * @param accept what a position of this list is; none for anything else
 */
export const read = <A>(
  list: ListKey,
  cursor: string | undefined,
  accept: (position: string) => Option.Option<A>,
): Effect.Effect<A | undefined, InvalidRequest> =>
  cursor === undefined || cursor === ""
    ? Effect.succeed(undefined)
    : Effect.mapError(Option.flatMap(decode(list, cursor), accept), () =>
        invalidRequest([{ parameter: "cursor", detail: "must be the `next` of a page of this very list" }]),
      )

/** A page, and the cursor of the one after it; null when there is none. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: string | null
}

/**
 * Cuts a page of `limit` from rows that were read with one more than that, for one more tells that another page follows.
 *
 * @param position of a row, as `read` accepts it
 */
export const page = <A>(
  list: ListKey,
  rows: ReadonlyArray<A>,
  limit: number,
  position: (row: A) => string,
): Page<A> => {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last !== undefined ? encode(list, position(last)) : null }
}
