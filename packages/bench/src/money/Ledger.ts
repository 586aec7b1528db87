import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SqlClient } from "@effect/sql"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { nextId } from "@tandem/messaging/Ids"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { Outbox } from "@tandem/messaging/Outbox"
import { ledgerSchema, paymentSchema } from "@tandem/payment-service/sql/migrations/payments"
import { topUp } from "@tandem/payment-service/sql/TopUps"
import * as Database from "@tandem/service-kit/Database"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Effect, Layer, Redacted } from "effect"
import { isNonEmptyArray } from "effect/Array"
import { inChunks, withoutIndexes } from "../history/withoutIndexes.js"

/** A durable PostgreSQL of its own with the payment service's database, as the service connects to it; gone afterwards. */
export const makeDatabase = async () => {
  const directory = mkdtempSync(join(tmpdir(), "tandem-bench-"))
  // As root the server runs as somebody else, and would keep its data elsewhere if that one could not reach it here.
  chmodSync(directory, 0o755)
  const postgres = await startPostgres({ directory: join(directory, "postgres"), fresh: true })
  return {
    url: await postgres.ensureDatabase("payments"),
    stop: async () => {
      await postgres.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** The payment service's side of it. */
export const layer = (url: string) =>
  Outbox.layer.pipe(
    Layer.provideMerge(
      Database.layer({ url: Redacted.make(url), applicationName: "bench" }, [
        messagingSchema,
        ledgerSchema,
        paymentSchema,
      ]),
    ),
    Layer.provide(HealthChecks.layer),
  )

/** `hot` alone, or so many accounts. */
export const userNames = (accounts: number): ReadonlyArray<string> =>
  accounts === 1 ? ["hot"] : Array.from({ length: accounts }, (_, n) => `user-${n}`)

/** Gives each of these users more than a run can spend. */
export const fund = (users: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const topUps = yield* Effect.forEach(users, (userId) =>
      Effect.map(nextId, (id) => ({ id, userId, amount: 1_000_000_000_000 })),
    )
    if (isNonEmptyArray(topUps)) yield* topUp(topUps, new Date().toISOString())
  })

/** What a relay and a long run would have removed: measured is the step, not what it leaves behind. */
export const tidy = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`TRUNCATE outbox_events, inbox_events`
  yield* sql`VACUUM (ANALYZE) accounts`
})

/**
 * So many orders of the past, paid by as many users as `accounts` says, as 30 days would have left them: rows in `payments` and
 * `transfers`, ids in the order of time. Written past the ledger's guards, in whole chains, so that they hold afterwards. A
 * second time needs users of another name.
 */
export const fillHistory = (orders: number, accounts: number, name = "past") =>
  withoutIndexes(
    ["accounts", "payments", "transfers"],
    Effect.gen(function* () {
      const sql = yield* Database.Maintenance
      yield* sql`
        INSERT INTO accounts (user_id, balance, funded, version, created_at, updated_at)
        SELECT ${name}::text || '-' || n, 1000000000000 - c, 1000000000000, 1 + c, now() - interval '31 days', now()
        FROM (SELECT n, ${orders}::bigint / ${accounts}::bigint AS c FROM generate_series(0, ${accounts}::bigint - 1) AS n) AS past`
      yield* sql`
        INSERT INTO transfers (account, account_version, id, kind, debit_account, credit_account, amount, balance_after, at)
        SELECT 'user:' || ${name}::text || '-' || n, 1, uuidv7(interval '-31 days'), 'topup', 'funding',
          'user:' || ${name}::text || '-' || n, 1000000000000,
          1000000000000, now() - interval '31 days'
        FROM generate_series(0, ${accounts}::bigint - 1) AS n`
      const whole = orders - (orders % accounts)
      yield* inChunks(
        whole,
        (from, to) => sql`
        WITH past AS (
          SELECT ${name}::text || '-' || n % ${accounts}::bigint AS user_id, n / ${accounts}::bigint + 1 AS nth,
            uuidv7(interval '-30 days' + n * interval '30 days' / ${whole}::float8) AS order_id,
            now() + interval '-30 days' + n * interval '30 days' / ${whole}::float8 AS at
          FROM generate_series(${from}::bigint, ${to}::bigint) AS n
        ), paid AS (
          INSERT INTO payments (order_id, user_id, amount, status, balance_after, decided_at, updated_at)
          SELECT order_id, user_id, 1, 'SUCCEEDED', 1000000000000 - nth, at, at FROM past
        )
        INSERT INTO transfers (
          account, account_version, id, kind, debit_account, credit_account, amount, balance_after, order_id, at
        )
        SELECT 'user:' || user_id, 1 + nth, order_id, 'payment', 'user:' || user_id, 'settlement', 1,
          1000000000000 - nth, order_id, at
        FROM past`,
      )
    }),
  )
