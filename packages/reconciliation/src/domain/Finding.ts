/** What can be found to disagree; docs/reconciliation.md says what each means and what to do. */
export const findingKinds = [
  "unanswered-order",
  "unheard-decision",
  "order-without-decision",
  "decision-without-order",
  "terms-mismatch",
  "state-mismatch",
  "balance-mismatch",
  "broken-chain",
  "payment-without-transfer",
  "transfer-without-payment",
  "transfer-mismatch",
  "unbalanced-books",
  "notification-gap",
  "stuck-outbox",
  "dead-letter",
] as const

/** What can be found to disagree. */
export type FindingKind = (typeof findingKinds)[number]

/** The findings that are safe to repair, by saying once more what was already said. */
export const repairableKinds = ["unheard-decision", "unanswered-order"] as const

/** A finding that is safe to repair. */
export type RepairableKind = (typeof repairableKinds)[number]

/** One thing that disagrees. */
export interface Finding {
  readonly kind: FindingKind
  /** What it is about, such as `orderId`, `userId`, `account`, `service`, `letterId`. */
  readonly ids: Readonly<Record<string, string>>
  readonly expected: string
  readonly found: string
}

/** What to do about each kind, in a sentence. */
export const advice: Readonly<Record<FindingKind, string>> = {
  "unanswered-order":
    "See that both services run and that no outbox is stuck; if it stays, --repair unanswered-order asks again.",
  "unheard-decision":
    "See that the order service runs and look at its dead letters; if it stays, --repair unheard-decision answers again.",
  "order-without-decision":
    "Was the payment database restored to an earlier time? Do not repair by hand, find out first.",
  "decision-without-order":
    "Was the order database restored to an earlier time? Do not repair by hand, find out first.",
  "terms-mismatch": "One of the databases was edited: compare both rows with the messages on payment-requests.",
  "state-mismatch":
    "No message leads here: one of the databases was edited or restored. Find out which before anything else.",
  "balance-mismatch": "The account and its transfers disagree: stop the payment service and compare with a backup.",
  "broken-chain": "A transfer is missing, doubled or changed: stop the payment service and compare with a backup.",
  "payment-without-transfer":
    "A decision stands without its money: stop the payment service and compare with a backup.",
  "transfer-without-payment": "Money moved without a decision: stop the payment service and compare with a backup.",
  "transfer-mismatch": "A decision and its transfer differ: stop the payment service and compare with a backup.",
  "unbalanced-books": "The other findings of the ledger tell where; stop the payment service until it is known.",
  "notification-gap":
    "Clients ask again for ever for a number that is missing: see the user's orders and notifications.",
  "stuck-outbox": "See that the service runs and reaches its broker; the relay sends what waits by itself.",
  "dead-letter": "Read the letter's error, then replay or discard it.",
}
