import * as ServiceConfig from "@tandem/service-kit/ServiceConfig"
import { Config } from "effect"

/** Where the page finds the payment service; it goes into the page and its content security policy. */
export const PageConfig = Config.all({
  paymentPublicUrl: Config.url("PAYMENT_PUBLIC_URL").pipe(
    Config.withDefault(new URL("http://127.0.0.1:8081")),
    Config.withDescription("Order service: the payment service's address as a browser reaches it"),
  ),
})

/** What the page is told. */
export type PageConfig = Config.Config.Success<typeof PageConfig>

/** Everything that the order service is told from outside. */
export const config = Config.all({ service: ServiceConfig.make({ port: 8080 }), page: PageConfig })
