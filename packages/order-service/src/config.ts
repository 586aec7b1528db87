import * as ServiceConfig from "@tandem/service-kit/ServiceConfig"
import { Config, Duration } from "effect"

/** Where the page finds the payment service; it goes into the page and its content security policy. */
export const PageConfig = Config.all({
  paymentPublicUrl: Config.url("PAYMENT_PUBLIC_URL").pipe(
    Config.withDefault(new URL("http://127.0.0.1:8081")),
    Config.withDescription("Order service: the payment service's address as a browser reaches it"),
  ),
})

/** How long an order waits for an answer before it asks for its own cancellation, and a cancellation or refund before it is asked again. */
export const paymentTimeout: Config.Config<Duration.Duration> = Config.duration("PAYMENT_TIMEOUT").pipe(
  Config.validate({
    message: "must be a second at least",
    validation: (timeout) => Duration.greaterThanOrEqualTo(timeout, "1 second"),
  }),
  Config.withDefault(Duration.minutes(15)),
  Config.withDescription(
    "Order service: how long an order may be without an answer before it cancels itself or asks again",
  ),
)

/** How long users may read what they were told. */
export const notificationRetention: Config.Config<Duration.Duration> = Config.duration("NOTIFICATION_RETENTION").pipe(
  Config.validate({
    message: "must be a minute at least",
    validation: (kept) => Duration.greaterThanOrEqualTo(kept, "1 minute"),
  }),
  Config.withDefault(Duration.days(30)),
  Config.withDescription("Order service: how long notifications are kept, 10,000 of each user at most"),
)

/** What the page is told. */
export type PageConfig = Config.Config.Success<typeof PageConfig>

/** Everything that the order service is told from outside. */
export const config = Config.all({
  service: ServiceConfig.make({ port: 8080 }),
  page: PageConfig,
  paymentTimeout,
  notificationRetention,
})
