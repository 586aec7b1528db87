import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { SqlClient } from "@effect/sql"
import { PaymentNotFound } from "@tandem/contracts/http/Errors"
import { PaymentApi } from "@tandem/contracts/http/PaymentApi"
import type { Payment } from "@tandem/contracts/http/PaymentsApi"
import { OrderId } from "@tandem/contracts/OrderId"
import { Access } from "@tandem/service-kit/auth/Access"
import { ownerOf } from "@tandem/service-kit/auth/Caller"
import { versioned } from "@tandem/service-kit/ETag"
import { unavailable } from "@tandem/service-kit/Problems"
import { Effect, Option, Schema } from "effect"
import { findPayment } from "../sql/Payments.js"

/** Reading the decisions. */
export const PaymentsRoutes = HttpApiBuilder.group(PaymentApi, "payments", (handlers) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { caller } = yield* Access
    return handlers.handle("getPayment", ({ path, request }) =>
      Effect.gen(function* () {
        const found = Schema.is(OrderId)(path.orderId)
          ? yield* findPayment(path.orderId, ownerOf(caller(request)))
          : Option.none<Payment>()
        const payment = yield* Effect.mapError(
          found,
          () => new PaymentNotFound({ detail: "Nothing was decided about this order's payment." }),
        )
        // A payment takes each status once at most, so that it names the version.
        return versioned(request, payment.status, payment)
      }).pipe(Effect.provideService(SqlClient.SqlClient, sql), unavailable),
    )
  }),
)
