import { Schema } from "effect"
import { Amount } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { UserId } from "../UserId.js"

/** The order service asks for an order to be paid. Topic `payment-requests`, key `userId`. */
export class PaymentRequested extends Schema.TaggedClass<PaymentRequested>()("PaymentRequested", {
  orderId: OrderId,
  userId: UserId,
  amount: Amount,
}) {}
