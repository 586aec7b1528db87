import { Schema } from "effect"
import { Amount, Balance } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { UserId } from "../UserId.js"

/** The order is paid. Topic `payment-results`, key `userId`; `balanceAfter` is what the payment left, in minor units. */
export class PaymentSucceeded extends Schema.TaggedClass<PaymentSucceeded>()("PaymentSucceeded", {
  orderId: OrderId,
  userId: UserId,
  amount: Amount,
  balanceAfter: Balance,
}) {}
