import { PaymentRequest, PaymentResult } from "@tandem/contracts/messages/Topics"
import * as CloudEvents from "@tandem/messaging/CloudEvents"

const source = "/tandem/order-service"

/** How the order service writes what it asks of the payment service. */
export const paymentRequests = CloudEvents.make({ source, schema: PaymentRequest })

/** How it reads the answers. */
export const paymentResults = CloudEvents.make({ source, schema: PaymentResult })
