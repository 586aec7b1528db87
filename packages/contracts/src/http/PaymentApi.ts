import { HttpApi, OpenApi } from "@effect/platform"
import { AccountsApi } from "./AccountsApi.js"
import { Problems } from "./Errors.js"
import { describeAsServed } from "./OpenApiDocument.js"
import { PaymentsApi } from "./PaymentsApi.js"

/** The payment service's HTTP API. */
export const PaymentApi = HttpApi.make("payment-service")
  .add(AccountsApi)
  .add(PaymentsApi)
  .addError(Problems.Unauthorized)
  .addError(Problems.Forbidden)
  .addError(Problems.TooManyRequests)
  .annotateContext(
    OpenApi.annotations({
      title: "Tandem payment service",
      version: "0.1.0",
      description: "Keeps the accounts and settles payment requests.",
      transform: describeAsServed,
    }),
  )
