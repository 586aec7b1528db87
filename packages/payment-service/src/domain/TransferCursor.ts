import { Either, Encoding, Option } from "effect"

/** The opaque cursor of a page of transfers: the last one's account version, marked so that another list's cursor is not mistaken for it. */
export const encode = (lastVersion: number): string => Encoding.encodeBase64Url(`t:${lastVersion}`)

/** The version in a cursor; none when it is not a cursor of ours. */
export const decode = (cursor: string): Option.Option<number> =>
  Either.getRight(Encoding.decodeBase64UrlString(cursor)).pipe(
    Option.filter((text) => /^t:[1-9][0-9]{0,15}$/.test(text)),
    Option.map((text) => Number(text.slice(2))),
    Option.filter(Number.isSafeInteger),
  )
