import { Schema } from "effect"
import { OrderStatusChanged } from "./OrderStatusChanged.js"
import { Welcome } from "./Welcome.js"

/** Everything that the order service pushes to a user. */
export const Frame = Schema.Union(Welcome, OrderStatusChanged)

/** Everything that the order service pushes to a user. */
export type Frame = typeof Frame.Type
