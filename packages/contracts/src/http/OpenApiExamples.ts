const orderId = "01936f4e-8f2a-7c3b-9d4e-5f6071829304"

const order = {
  id: orderId,
  userId: "1",
  amount: 500,
  status: "FINISHED",
  reason: null,
  createdAt: "2026-01-31T12:00:00.000Z",
  updatedAt: "2026-01-31T12:00:00.017Z",
  version: 2,
}

const account = {
  userId: "1",
  balance: 500,
  version: 2,
  createdAt: "2026-01-31T11:59:00.000Z",
  updatedAt: "2026-01-31T12:00:00.011Z",
}

const transfer = {
  id: "01936f4e-8f34-7a10-8c55-2b1f0d9e7a61",
  kind: "payment",
  direction: "debit",
  amount: 500,
  balanceAfter: 500,
  orderId,
  at: "2026-01-31T12:00:00.011Z",
}

/** One example of each body, by the name of its schema. */
export const examples: Readonly<Record<string, unknown>> = {
  Account: account,
  NoFields: {},
  NotificationPage: {
    items: [
      {
        type: "order-status-changed",
        seq: 1,
        orderId,
        userId: "1",
        amount: 500,
        status: "FINISHED",
        reason: null,
        at: "2026-01-31T12:00:00.017Z",
      },
    ],
    next: null,
  },
  Order: order,
  OrderHistory: {
    items: [
      { status: "NEW", reason: null, at: "2026-01-31T12:00:00.000Z" },
      { status: "FINISHED", reason: null, at: "2026-01-31T12:00:00.017Z" },
    ],
  },
  OrderPage: { items: [order], next: "MDE5MzZmNGUtOGYyYS03YzNiLTlkNGUtNWY2MDcxODI5MzA0LnQ1eHhTZ0ZHUVhZ" },
  Payment: {
    orderId,
    userId: "1",
    amount: 500,
    status: "SUCCEEDED",
    reason: null,
    decidedAt: "2026-01-31T12:00:00.011Z",
    updatedAt: "2026-01-31T12:00:00.011Z",
  },
  PlaceOrder: { userId: "1", amount: 500 },
  PushTicket: { ticket: "s4zB1fRz0Zr1mM8fJcE9d2kT7oQ5vXwLhYn3aUeGp6I", expiresAt: "2026-01-31T12:00:30.000Z" },
  TopUp: { userId: "1", amount: 1000 },
  TransferPage: { items: [transfer], next: null },
}

/** The example for a schema that is referred to, undefined when there is none. */
export const exampleOf = (schema: unknown): unknown =>
  typeof schema === "object" && schema !== null && "$ref" in schema
    ? examples[String(schema.$ref).replace("#/components/schemas/", "")]
    : undefined
