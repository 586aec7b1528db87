import type { SqlClient } from "@effect/sql"
import { Clock, Duration, Effect, type Scope } from "effect"
import { compareOrder, type OrderRecord, type Patience, type PaymentRecord } from "./domain/CompareOrder.js"
import { type Finding, type FindingKind, findingKinds } from "./domain/Finding.js"
import { type Merged, mergePages, type Page } from "./domain/MergePages.js"
import { type Books, checkAccounts, checkBooks, checkTransfers, readBooks } from "./sql/Ledger.js"
import { checkDeadLetters, checkOutbox } from "./sql/Messages.js"
import { checkNotifications } from "./sql/Notifications.js"
import { findOrders, orderTables, readOrders } from "./sql/Orders.js"
import { findPayments, paymentTables, readPayments } from "./sql/Payments.js"
import { type CannotCheck, open, type Snapshot } from "./sql/Snapshot.js"

/** How to check. Durations in ms. */
export interface CheckOptions extends Patience {
  /** How long a message may wait in an outbox. */
  readonly outboxLimit: number
  /** How long to wait before what may only have been under way is looked at again. */
  readonly recheckAfter: number
  /** The most findings of a kind that are kept. */
  readonly limit: number
  /** Rows a page; 5,000 when absent. */
  readonly pageSize?: number
}

/** The databases of both services, over clients of their own. */
export interface Databases {
  readonly orders: SqlClient.SqlClient
  readonly payments: SqlClient.SqlClient
}

/** What was compared and what disagrees. */
export interface Report {
  /** RFC 3339, UTC. */
  readonly checkedAt: string
  readonly orders: number
  readonly payments: number
  /** What is under way and cannot be judged yet. */
  readonly pending: number
  readonly books: Books
  readonly findings: ReadonlyArray<Finding>
  /** Kinds of which there are more than are listed. */
  readonly more: ReadonlyArray<FindingKind>
}

const leastId = "00000000-0000-0000-0000-000000000000"

interface Pair {
  readonly orders: Snapshot
  readonly payments: Snapshot
}

const snapshots = (databases: Databases): Effect.Effect<Pair, CannotCheck, Scope.Scope> =>
  Effect.all(
    {
      orders: open("order", databases.orders, orderTables),
      payments: open("payment", databases.payments, paymentTables),
    },
    { concurrency: "unbounded" },
  )

/** Keeps what is found within its bound. */
class Found {
  readonly findings: Array<Finding> = []
  readonly more = new Set<FindingKind>()
  private readonly counts = new Map<FindingKind, number>()
  private readonly limit: number
  constructor(limit: number) {
    this.limit = limit
  }
  add(finding: Finding): void {
    const count = (this.counts.get(finding.kind) ?? 0) + 1
    this.counts.set(finding.kind, count)
    if (count <= this.limit) this.findings.push(finding)
    else this.more.add(finding.kind)
  }
}

/** Walks over all orders and payments by their common id, a page of each in memory. */
const compareAll = ({ orders, payments }: Pair, options: CheckOptions, found: Found) =>
  Effect.gen(function* () {
    const size = options.pageSize ?? 5_000
    const count = { orders: 0, payments: 0, pending: 0 }
    let after: string | undefined = leastId
    while (after !== undefined) {
      const [left, right]: readonly [Page<OrderRecord>, Page<PaymentRecord>] = yield* Effect.all(
        [readOrders(orders, after, size), readPayments(payments, after, size)],
        { concurrency: 2 },
      )
      const merged: Merged<OrderRecord, PaymentRecord> = mergePages(left, right)
      for (const [order, payment] of merged.pairs) {
        if (order !== undefined) count.orders++
        if (payment !== undefined) count.payments++
        const comparison = compareOrder(order, payment, options)
        if (comparison === "pending") count.pending++
        else if (comparison !== "agree") found.add(comparison)
      }
      after = merged.through
    }
    return count
  })

/**
 * Compares both databases and the ledger, each in a snapshot of its own. The snapshots are of two moments, so what disagrees between
 * the databases is looked at once more after a pause, and only what still does is a finding.
 */
export const check = (databases: Databases, options: CheckOptions): Effect.Effect<Report, CannotCheck> =>
  Effect.gen(function* () {
    const checkedAt = new Date(yield* Clock.currentTimeMillis).toISOString()
    const first = yield* Effect.scoped(
      Effect.gen(function* () {
        const pair = yield* snapshots(databases)
        const across = new Found(options.limit)
        const within = new Found(options.limit)
        const count = yield* compareAll(pair, options, across)
        const most = options.limit + 1
        const books = yield* readBooks(pair.payments)
        const settled = [
          ...checkBooks(books),
          ...(yield* checkAccounts(pair.payments, most)),
          ...(yield* checkTransfers(pair.payments, most)),
          ...(yield* checkNotifications(pair.orders, most)),
          ...(yield* checkDeadLetters("order", pair.orders, most)),
          ...(yield* checkDeadLetters("payment", pair.payments, most)),
        ]
        for (const finding of settled) within.add(finding)
        const stuck = [
          ...(yield* checkOutbox("order", pair.orders, options.outboxLimit)),
          ...(yield* checkOutbox("payment", pair.payments, options.outboxLimit)),
        ]
        return { across, within, count, books, stuck: stuck.length > 0 }
      }),
    )
    const suspects = first.across.findings.flatMap(({ ids }) => ids["orderId"] ?? [])
    const again =
      suspects.length > 0 || first.stuck
        ? yield* Effect.zipRight(
            Effect.sleep(Duration.millis(options.recheckAfter)),
            lookAgain(databases, options, suspects),
          )
        : { findings: [], pending: 0 }
    const findings = [...again.findings, ...first.within.findings]
    return {
      checkedAt,
      ...first.count,
      pending: first.count.pending + again.pending,
      books: first.books,
      findings: findings.sort((a, b) => findingKinds.indexOf(a.kind) - findingKinds.indexOf(b.kind)),
      more: [...first.across.more, ...first.within.more],
    }
  })

const lookAgain = (databases: Databases, options: CheckOptions, orderIds: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const pair = yield* snapshots(databases)
      const orders = yield* findOrders(pair.orders, orderIds)
      const payments = yield* findPayments(pair.payments, orderIds)
      const findings: Array<Finding> = []
      let pending = 0
      for (const id of orderIds) {
        const comparison = compareOrder(orders.get(id), payments.get(id), options)
        if (comparison === "pending") pending++
        else if (comparison !== "agree") findings.push(comparison)
      }
      findings.push(...(yield* checkOutbox("order", pair.orders, options.outboxLimit)))
      findings.push(...(yield* checkOutbox("payment", pair.payments, options.outboxLimit)))
      return { findings, pending }
    }),
  )
