import { Schema } from "effect"
import { Amount } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { Reason } from "../OrderStatus.js"
import { UserId } from "../UserId.js"

/** The order service asks that a paid order's money be given back. Topic `payment-requests`, key `userId`. */
export class RefundRequested extends Schema.TaggedClass<RefundRequested>()("RefundRequested", {
  orderId: OrderId,
  userId: UserId,
  amount: Amount,
  reason: Reason,
}) {}
