import { Schema } from "effect"
import { UserId } from "../UserId.js"

/** The first frame of a stream. `seq` is the position from which it starts; `recovered` is false when that is not the one asked for. */
export const Welcome = Schema.Struct({
  type: Schema.Literal("welcome"),
  userId: UserId,
  seq: Schema.NonNegativeInt,
  recovered: Schema.Boolean,
}).annotations({ identifier: "Welcome" })

/** The first frame of a stream. */
export type Welcome = typeof Welcome.Type
