import * as HttpApi from "@effect/platform/HttpApi"
import * as OpenApi from "@effect/platform/OpenApi"
import { AccountsApi } from "./AccountsApi.js"
import { Problems } from "./Errors.js"
import { describeService } from "./OpenApiDocument.js"
import { PaymentsApi } from "./PaymentsApi.js"
import { operationsPaths } from "./PlainPaths.js"

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
      transform: describeService({
        port: 8081,
        paths: operationsPaths,
        open: ["getLiveness", "getReadiness", "getMetrics"],
        tags: {
          accounts: "Topping up and reading accounts, and what moved on them.",
          payments: "What was decided about each order's payment.",
          operations: "How the service is.",
        },
      }),
    }),
  )
