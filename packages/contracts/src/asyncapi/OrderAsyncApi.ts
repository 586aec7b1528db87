import { asyncApi } from "./AsyncApiDocument.js"

/** What the order service says and hears, and pushes to its users. */
export const OrderAsyncApi = asyncApi({
  title: "Tandem order service",
  description: "Asks for payments, hears what became of them, tells the user.",
  topics: {
    "payment-requests": {
      action: "send",
      operation: "askForPayments",
      summary: "Asks for payments, their cancellation and refunds",
    },
    "payment-results": { action: "receive", operation: "hearOfPayments", summary: "Hears what became of payments" },
  },
  pushPort: 8080,
})
