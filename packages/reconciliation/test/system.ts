import { setTimeout as delay } from "node:timers/promises"
import { PgClient } from "@effect/sql-pg"
import { createTestDatabase, type TestDatabase } from "@tandem/dev-stack/TestPostgres"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { type MigrationNamespace, migrate } from "@tandem/messaging/Migrations"
import { orderSchema } from "@tandem/order-service/sql/migrations/orders"
import { pushSchema } from "@tandem/order-service/sql/migrations/push"
import { ledgerSchema, paymentSchema } from "@tandem/payment-service/sql/migrations/payments"
import { Effect, Redacted } from "effect"
import pg from "pg"

/** Runs statements as somebody who may do everything: triggers and foreign keys do not fire. */
export const execute = async (url: string, ...statements: ReadonlyArray<string>): Promise<void> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query("SET session_replication_role = replica")
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

/** The rows of a query. */
export const rows = async (url: string, query: string): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(query)).rows
  } finally {
    await client.end()
  }
}

/** Looks every few milliseconds until it is so; fails when it is not after `seconds`. */
export const eventually = async (what: string, look: () => Promise<boolean>, seconds = 60): Promise<void> => {
  const deadline = Date.now() + seconds * 1_000
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`)
    await delay(20)
  }
}

const prepare = async (namespaces: ReadonlyArray<MigrationNamespace>, statement: string): Promise<TestDatabase> => {
  const database = await createTestDatabase()
  await Effect.runPromise(
    migrate(namespaces).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(database.url), maxConnections: 1 }))),
  )
  await execute(database.url, statement)
  return database
}

/** The order ids of the sample: 1 paid, 2 declined, 3 refunded, 4 cancelled before it was paid, 5 cancelled after. */
export const order = (n: number): string => `01900000-0000-7000-8000-00000000000${n}`

const sampleOrders = `
  INSERT INTO orders (id, user_id, amount, status, reason, version, created_at, updated_at, settled_at, refunded_at,
    cancel_asked_at, cancel_reason, refund_asked_at)
  SELECT id::uuid, user_id, amount, status, reason, 2, at, at, at, CASE status WHEN 'REFUNDED' THEN at END,
    CASE reason WHEN 'CancelledByUser' THEN at END, CASE reason WHEN 'CancelledByUser' THEN reason END,
    CASE status WHEN 'REFUNDED' THEN at END
  FROM (VALUES
    ('${order(1)}', 'u1', 300, 'FINISHED', NULL),
    ('${order(2)}', 'u2', 50, 'CANCELLED', 'AccountNotFound'),
    ('${order(3)}', 'u1', 200, 'REFUNDED', 'RefundedByUser'),
    ('${order(4)}', 'u1', 40, 'CANCELLED', 'CancelledByUser'),
    ('${order(5)}', 'u1', 100, 'CANCELLED', 'CancelledByUser')
  ) AS sample (id, user_id, amount, status, reason), (SELECT now() - interval '1 hour' AS at) AS moment;
  INSERT INTO notification_counters (user_id, seq) VALUES ('u1', 5), ('u2', 1);
  INSERT INTO notifications (user_id, seq, order_id, amount, status, reason, at) VALUES
    ('u1', 1, '${order(1)}', 300, 'FINISHED', NULL, now()), ('u1', 2, '${order(3)}', 200, 'FINISHED', NULL, now()),
    ('u1', 3, '${order(3)}', 200, 'REFUNDED', 'RefundedByUser', now()),
    ('u1', 4, '${order(4)}', 40, 'CANCELLED', 'CancelledByUser', now()),
    ('u1', 5, '${order(5)}', 100, 'CANCELLED', 'CancelledByUser', now()),
    ('u2', 1, '${order(2)}', 50, 'CANCELLED', 'AccountNotFound', now())`

const samplePayments = `
  INSERT INTO accounts (user_id, balance, funded, version, created_at, updated_at)
  VALUES ('u1', 700, 1000, 6, now() - interval '1 hour', now() - interval '1 hour');
  INSERT INTO payments (order_id, user_id, amount, status, reason, balance_after, decided_at, updated_at)
  SELECT id::uuid, user_id, amount, status, reason, balance_after, at, at
  FROM (VALUES
    ('${order(1)}', 'u1', 300, 'SUCCEEDED', NULL, 700),
    ('${order(2)}', 'u2', 50, 'DECLINED', 'AccountNotFound', NULL),
    ('${order(3)}', 'u1', 200, 'REFUNDED', 'RefundedByUser', 500),
    ('${order(4)}', 'u1', 40, 'CANCELLED', 'CancelledByUser', NULL),
    ('${order(5)}', 'u1', 100, 'REFUNDED', 'CancelledByUser', 600)
  ) AS sample (id, user_id, amount, status, reason, balance_after), (SELECT now() - interval '1 hour' AS at) AS moment;
  INSERT INTO transfers
    (account, account_version, id, kind, debit_account, credit_account, amount, balance_after, order_id, at)
  SELECT 'user:u1', version, gen_random_uuid(), kind,
    CASE kind WHEN 'topup' THEN 'funding' WHEN 'payment' THEN 'user:u1' ELSE 'settlement' END,
    CASE kind WHEN 'payment' THEN 'settlement' ELSE 'user:u1' END, amount, balance, order_id::uuid, now()
  FROM (VALUES
    (1, 'topup', 1000, 1000, NULL), (2, 'payment', 300, 700, '${order(1)}'), (3, 'payment', 200, 500, '${order(3)}'),
    (4, 'refund', 200, 700, '${order(3)}'), (5, 'payment', 100, 600, '${order(5)}'), (6, 'refund', 100, 700, '${order(5)}')
  ) AS line (version, kind, amount, balance, order_id)`

/** Two databases with every ending of an order and nothing wrong. */
export interface Sample {
  readonly orders: TestDatabase
  readonly payments: TestDatabase
}

/** The sample, to be copied. */
export const prepareSample = async (): Promise<Sample> => ({
  orders: await prepare([messagingSchema, orderSchema, pushSchema], sampleOrders),
  payments: await prepare([messagingSchema, ledgerSchema, paymentSchema], samplePayments),
})

/** A copy of the sample for one test; nobody may be connected to the original. */
export const copySample = async ({ orders, payments }: Sample): Promise<Sample> => ({
  orders: await createTestDatabase({ template: orders.url }),
  payments: await createTestDatabase({ template: payments.url }),
})

/** Drops both. */
export const dropSample = async ({ orders, payments }: Sample): Promise<void> => {
  await orders.drop()
  await payments.drop()
}
