import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Amount } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { Reason } from "../OrderStatus.js"
import { Timestamp } from "../Timestamp.js"
import { UserId } from "../UserId.js"
import { Problems } from "./Errors.js"
import { having, meaning, versioned } from "./OpenApiOperations.js"

/** What was decided about an order's payment. A decision is final, but for a payment that is given back. */
export class Payment extends Schema.Class<Payment>("Payment")({
  orderId: OrderId,
  userId: UserId,
  amount: Amount,
  status: Schema.Literal("SUCCEEDED", "DECLINED", "CANCELLED", "REFUNDED").annotations({ identifier: "PaymentStatus" }),
  /** Null when the payment succeeded. */
  reason: Schema.NullOr(Reason),
  decidedAt: Timestamp,
  updatedAt: Timestamp,
}) {}

const getPayment = HttpApiEndpoint.get("getPayment", "/payments/:orderId")
  .setPath(Schema.Struct({ orderId: Schema.String }))
  .addSuccess(Payment)
  .addError(Problems.PaymentNotFound)
  .addError(Problems.ServiceUnavailable)
  .annotateContext(
    OpenApi.annotations({
      identifier: "getPayment",
      summary: "Read what was decided about an order's payment",
      description: "404 until it is decided. A decision is final, but for a payment that is given back.",
      transform: having(meaning({ 200: "The decision" }), versioned),
    }),
  )

/** Reading the decisions. */
export const PaymentsApi = HttpApiGroup.make("payments").add(getPayment)
