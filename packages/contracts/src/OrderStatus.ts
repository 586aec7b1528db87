import { Schema } from "effect"

/** Where an order stands. `NEW` → `FINISHED` | `CANCELLED`; `FINISHED` → `REFUNDED`; there is no way back. */
export const OrderStatus = Schema.Literal("NEW", "FINISHED", "CANCELLED", "REFUNDED").annotations({
  identifier: "OrderStatus",
  description: "Where an order stands: NEW, then FINISHED or CANCELLED; a FINISHED one may become REFUNDED",
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
).annotations({ identifier: "Reason", description: "Why an order is CANCELLED or REFUNDED" })

/** Why an order is `CANCELLED` or `REFUNDED`. */
export type Reason = typeof Reason.Type
