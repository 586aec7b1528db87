import { asyncApi } from "./AsyncApiDocument.js"

/** What the payment service hears and says. */
export const PaymentAsyncApi = asyncApi({
  title: "Tandem payment service",
  description: "Hears what is to be paid, settles it, and answers.",
  topics: {
    "payment-requests": { action: "receive", operation: "settlePayments", summary: "Hears what is asked" },
    "payment-results": { action: "send", operation: "answerPayments", summary: "Answers what was decided" },
  },
})
