import * as ServiceConfig from "@tandem/service-kit/ServiceConfig"
import { Config } from "effect"

/** The order service's page calls from its own origin. */
const pageOrigins = ["http://127.0.0.1:8080", "http://localhost:8080"]

/** Everything that the payment service is told from outside. */
export const config = Config.all({ service: ServiceConfig.make({ port: 8081, corsOrigins: pageOrigins }) })
