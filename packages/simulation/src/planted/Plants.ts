/** Who is to notice a fault. */
export type Detector = "simulation" | "chaos"

/** A fault of one place in the product's source. */
export interface Plant {
  readonly name: string
  /** Below `packages/`. */
  readonly file: string
  /** What stands there exactly once, and what stands there instead. */
  readonly find: string
  readonly put: string
  readonly detector: Detector
}

/**
 * What the promises rest on, taken away one by one. The simulation sees what an order's user and his money would; what the saga heals by
 * itself (a message that came twice, late or not at all) is seen where the kit works alone, and races of two sessions only on a server.
 */
export const plants: ReadonlyArray<Plant> = [
  {
    name: "an order is paid without a look at the balance",
    file: "payment-service/src/domain/Settlement.ts",
    find: "if (account.balance < amount) return",
    put: "if (account.balance < 0) return",
    detector: "simulation",
  },
  {
    name: "what was decided before the batch is not looked at",
    file: "payment-service/src/domain/Settlement.ts",
    find: "payments.get(orderId)?.after ?? known.payments.get(orderId)",
    put: "payments.get(orderId)?.after",
    detector: "simulation",
  },
  {
    name: "a cancellation before the request leaves no tombstone",
    file: "payment-service/src/domain/Settlement.ts",
    find: 'return record({ ...decided, status: "CANCELLED", reason: command.reason })',
    put: 'return { ...decided, status: "CANCELLED", reason: command.reason }',
    detector: "simulation",
  },
  {
    name: "a refund is paid and not recorded",
    file: "payment-service/src/domain/Settlement.ts",
    find: "payments.set(orderId, payment === known.payments.get(orderId) ? { before: payment, after } : { after })",
    put: "void orderId",
    detector: "simulation",
  },
  {
    name: "a decline is reconsidered when it is asked again",
    file: "payment-service/src/domain/PaymentSaga.ts",
    find: 'DECLINED: { PaymentRequested: "repeat"',
    put: 'DECLINED: { PaymentRequested: "decide"',
    detector: "simulation",
  },
  {
    name: "an order is paid whose cancellation was asked meanwhile",
    file: "order-service/src/sql/SettleResults.ts",
    find: " AND orders.version = changed.from_version",
    put: "",
    detector: "simulation",
  },
  {
    name: "a payment takes one unit less than it says",
    file: "payment-service/src/domain/Settlement.ts",
    find: "account.balance - amount : account.balance + amount",
    put: "account.balance - amount + 1 : account.balance + amount",
    detector: "simulation",
  },
  {
    name: "an order does not hear of its refund",
    file: "order-service/src/domain/OrderSaga.ts",
    find: 'PaymentRefunded: "REFUNDED"',
    put: 'PaymentRefunded: "no change"',
    detector: "simulation",
  },
  {
    name: "a success after the cancellation finishes the order",
    file: "order-service/src/domain/OrderSaga.ts",
    find: `  CANCELLED: {
    PaymentSucceeded: "no change"`,
    put: `  CANCELLED: {
    PaymentSucceeded: "FINISHED"`,
    detector: "simulation",
  },
  {
    name: "a user's numbers skip one",
    file: "order-service/src/sql/Notifications.ts",
    find: "counter.seq - counted.n + row_number()",
    put: "counter.seq - counted.n + 1 + row_number()",
    detector: "simulation",
  },
  {
    name: "an unreadable message is dropped",
    file: "messaging/src/internal/BatchEffect.ts",
    find: "yield* DeadLetters.add(options.name, unreadable)",
    put: "void unreadable",
    detector: "simulation",
  },
  {
    name: "the relay's floor passes live rows",
    file: "messaging/src/Relay.ts",
    find: "yield* Ref.set(floor, next)",
    put: "yield* Ref.set(floor, next + 2n)",
    detector: "simulation",
  },
  {
    name: "the relay turns a batch round",
    file: "messaging/src/Relay.ts",
    find: "(broker) => broker.publish(rows)",
    put: "(broker) => broker.publish([...rows].reverse())",
    detector: "simulation",
  },
  {
    name: "asking for a refund does not count in the order's version",
    file: "order-service/src/domain/OrderCommands.ts",
    find: "version: order.version + 1, refundAsked: true",
    put: "version: order.version, refundAsked: true",
    detector: "simulation",
  },
  {
    name: "the inbox lets everything through",
    file: "messaging/src/Inbox.ts",
    find: "return new Set(rows.map((row) => row.message_id))",
    put: "return new Set(rows.length < 0 ? [] : ids)",
    detector: "chaos",
  },
  {
    name: "a single statement does not ask the inbox",
    file: "messaging/src/Inbox.ts",
    find: "THEN messaging_conflict('inbox')",
    put: "AND false THEN messaging_conflict('inbox')",
    detector: "chaos",
  },
  {
    name: "a batch is acknowledged before its effect",
    file: "messaging/src/Consumer.ts",
    find: "Effect.uninterruptible(Effect.zipRight(once(run, work, { number }), acknowledge))",
    put: 'Effect.uninterruptible(Effect.zipRight(acknowledge, Effect.delay(once(run, work, { number }), "1 second")))',
    detector: "chaos",
  },
  {
    name: "a row is deleted before the broker has it",
    file: "messaging/src/Relay.ts",
    find: `            publish(batch),
            Ref.update(published, (batches) => [...batches, ids]),`,
    put: `            Effect.zipRight(guardDefects(OutboxTable.remove(ids)), Effect.delay(Effect.void, "20 millis")),
            publish(batch),`,
    detector: "chaos",
  },
  {
    name: "the relay reads on from the last id that it saw",
    file: "messaging/src/Relay.ts",
    find: "const ids = batch.map((row) => row.id)",
    put: 'const ids = batch.map((row) => row.id); yield* Ref.set(floor, BigInt(ids.at(-1) ?? "0") + 1n)',
    detector: "chaos",
  },
]
