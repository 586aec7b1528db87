import { Schema } from "effect"
import { Amount } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { OrderStatus, Reason } from "../OrderStatus.js"
import { UserId } from "../UserId.js"

/** An order left `NEW`, or was refunded. `seq` counts 1, 2, 3 … per user with no gap; `at` is RFC 3339, UTC. */
export const OrderStatusChanged = Schema.Struct({
  type: Schema.Literal("order-status-changed"),
  seq: Schema.Positive.pipe(Schema.int()),
  orderId: OrderId,
  userId: UserId,
  amount: Amount,
  status: OrderStatus,
  reason: Schema.NullOr(Reason),
  at: Schema.String,
}).annotations({ identifier: "OrderStatusChanged" })

/** An order left `NEW`, or was refunded. */
export type OrderStatusChanged = typeof OrderStatusChanged.Type
