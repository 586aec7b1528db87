import pg from "pg"
import { closedLoop, rate } from "../ClosedLoop.js"

/** How one order at a time is paid: compare the version, or hold the row. */
export type PerOrderForm = "optimistic" | "for update"

const tables = ["accounts", "payments", "transfers", "inbox_events", "outbox_events"]

/** The service's tables again, with their keys and checks and without the ledger's guards, which ask for one statement a change. */
const makeTables = `
  ${tables.map((table) => `DROP TABLE IF EXISTS bench_${table}; CREATE TABLE bench_${table} (LIKE ${table} INCLUDING ALL);`).join("\n")}
  INSERT INTO bench_accounts (user_id, balance, funded, version, created_at, updated_at)
  VALUES ('hot', 1000000000000, 1000000000000, 1, now(), now())`

class Missed extends Error {}

/**
 * Payments of one account a second when each order is a transaction of its own with the same rows, in bare `pg` with prepared
 * statements: inbox, account read, account written, payment, transfer and outbox as one statement, commit. A missed version is tried
 * again at once, as often as it takes.
 */
export const perOrder = async (url: string, form: PerOrderForm, options: { clients: number; seconds: number }) => {
  const pool = new pg.Pool({ connectionString: url, max: options.clients })
  const value = Buffer.alloc(300, "x")
  let misses = 0
  const pay = async (client: pg.PoolClient) => {
    await client.query("BEGIN")
    try {
      await client.query({
        name: "inbox",
        text: "INSERT INTO bench_inbox_events (consumer, message_id) VALUES ('payment-service', uuidv7()::text) ON CONFLICT DO NOTHING",
      })
      const { rows } = await client.query<{ balance: string; version: string }>({
        name: form,
        text: `SELECT balance, version FROM bench_accounts WHERE user_id = 'hot' ${form === "for update" ? "FOR UPDATE" : ""}`,
      })
      const { balance = "0", version = "0" } = rows[0] ?? {}
      const written = await client.query({
        name: "write",
        text: `
          WITH account AS (
            UPDATE bench_accounts SET balance = $2, version = $1::bigint + 1, updated_at = now()
            WHERE user_id = 'hot' AND version = $1 RETURNING user_id
          ), payment AS (
            INSERT INTO bench_payments (order_id, user_id, amount, status, balance_after, decided_at, updated_at)
            SELECT uuidv7(), user_id, 1, 'SUCCEEDED', $2::bigint, now(), now() FROM account RETURNING order_id
          ), line AS (
            INSERT INTO bench_transfers (
              account, account_version, id, kind, debit_account, credit_account, amount, balance_after, order_id, at
            )
            SELECT 'user:hot', $1::bigint + 1, uuidv7(), 'payment', 'user:hot', 'settlement', 1, $2::bigint, order_id, now()
            FROM payment
          ), answer AS (
            INSERT INTO bench_outbox_events (topic, key, value, headers)
            SELECT 'payment-results', user_id, $3, '{}' FROM account
          )
          SELECT 1 FROM account`,
        values: [version, String(Number(balance) - 1), value],
      })
      if (written.rowCount !== 1) throw new Missed()
      await client.query("COMMIT")
    } catch (error) {
      await client.query("ROLLBACK")
      throw error
    }
  }
  try {
    await pool.query(makeTables)
    const connections = await Promise.all(Array.from({ length: options.clients }, () => pool.connect()))
    const loop = await closedLoop({
      ...options,
      operation: async (client) => {
        const connection = connections[client]
        while (connection !== undefined) {
          try {
            return await pay(connection)
          } catch (error) {
            if (!(error instanceof Missed)) throw error
            misses++
          }
        }
      },
    })
    for (const connection of connections) connection.release()
    if (loop.failed > 0) throw new Error(`${loop.failed} payments of the yardstick failed`)
    return { perSecond: rate(loop), misses }
  } finally {
    await pool.query(`DROP TABLE IF EXISTS ${tables.map((table) => `bench_${table}`).join(", ")}`)
    await pool.end()
  }
}
