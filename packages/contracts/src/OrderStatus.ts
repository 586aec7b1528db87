import { Schema } from "effect"

/** Where an order stands. `NEW` → `FINISHED` | `CANCELLED`; `FINISHED` → `REFUNDED`; there is no way back. */
export const OrderStatus = Schema.Literal("NEW", "FINISHED", "CANCELLED", "REFUNDED").annotations({
  identifier: "OrderStatus",
})

/** Where an order stands. */
export type OrderStatus = typeof OrderStatus.Type

/** Why an order is `CANCELLED` or `REFUNDED`. */
export const Reason = Schema.Literal(
  "InsufficientFunds",
  "AccountNotFound",
  "CancelledByUser",
  "PaymentTimeout",
  "RefundedByUser",
).annotations({ identifier: "Reason" })

/** Why an order is `CANCELLED` or `REFUNDED`. */
export type Reason = typeof Reason.Type
