import { PaymentRequest, PaymentResult } from "@tandem/contracts/messages/Topics"
import * as CloudEvents from "@tandem/messaging/CloudEvents"

const source = "/tandem/payment-service"

/** How the payment service reads what is asked of it. */
export const paymentRequests = CloudEvents.make({ source, schema: PaymentRequest })

/** How it writes its answers. */
export const paymentResults = CloudEvents.make({ source, schema: PaymentResult })
