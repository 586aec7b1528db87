import { OrderId } from "@tandem/contracts/OrderId"
import { Either, Encoding, Option, Schema } from "effect"

/** The opaque cursor of a page of orders: the last order's id, marked so that another list's cursor is not mistaken for it. */
export const encode = (lastOrderId: string): string => Encoding.encodeBase64Url(`o:${lastOrderId}`)

/** The id in a cursor; none when it is not a cursor of ours. */
export const decode = (cursor: string): Option.Option<string> =>
  Either.getRight(Encoding.decodeBase64UrlString(cursor)).pipe(
    Option.filter((text) => text.startsWith("o:")),
    Option.map((text) => text.slice(2)),
    Option.filter(Schema.is(OrderId)),
  )
