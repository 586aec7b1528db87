import * as HttpApi from "@effect/platform/HttpApi"
import * as OpenApi from "@effect/platform/OpenApi"
import { Problems } from "./Errors.js"
import { NotificationsApi } from "./NotificationsApi.js"
import { describeService } from "./OpenApiDocument.js"
import { OrdersApi } from "./OrdersApi.js"
import { operationsPaths, pushPaths } from "./PlainPaths.js"
import { TicketsApi } from "./TicketsApi.js"

/** The order service's HTTP API. */
export const OrderApi = HttpApi.make("order-service")
  .add(OrdersApi)
  .add(NotificationsApi)
  .add(TicketsApi)
  .addError(Problems.Unauthorized)
  .addError(Problems.Forbidden)
  .addError(Problems.TooManyRequests)
  .annotateContext(
    OpenApi.annotations({
      title: "Tandem order service",
      version: "0.1.0",
      description: "Takes orders, learns what became of their payment, tells the user.",
      transform: describeService({
        port: 8080,
        paths: () => ({ ...pushPaths(), ...operationsPaths() }),
        open: ["getLiveness", "getReadiness", "getMetrics"],
        tags: {
          orders: "Placing, reading, cancelling and refunding orders.",
          notifications: "What users were told.",
          tickets: "Opening streams where callers are asked who they are.",
          push: "Being told of changes as they happen.",
          operations: "How the service is.",
        },
      }),
    }),
  )
