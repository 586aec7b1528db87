import pg from "pg"
import { closedLoop, type LoopResult } from "./ClosedLoop.js"

/**
 * What PostgreSQL alone gives: pgbench-style inserts of an order and its outbox row, one statement and one commit each, into
 * tables of the same shape in the same database, with no service, no HTTP and nobody who reads them.
 */
export const insertYardstick = async (databaseUrl: string, clients: number, seconds: number): Promise<LoopResult> => {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: clients })
  try {
    await pool.query(`
      DROP TABLE IF EXISTS bench_orders, bench_outbox;
      CREATE TABLE bench_orders (LIKE orders INCLUDING ALL);
      CREATE TABLE bench_outbox (LIKE outbox_events INCLUDING ALL)`)
    const value = Buffer.alloc(300, "x")
    return await closedLoop({
      clients,
      seconds,
      operation: async (client) => {
        await pool.query({
          name: "insert",
          text: `WITH outbox AS (
              INSERT INTO bench_outbox (topic, key, value, headers) VALUES ('payment-requests', $1, $2, '{}')
            )
            INSERT INTO bench_orders (id, user_id, amount, status, version, created_at, updated_at)
            VALUES (uuidv7(), $1, 1, 'NEW', 1, now(), now())`,
          values: [`u${client}`, value],
        })
      },
    })
  } finally {
    await pool.query("DROP TABLE IF EXISTS bench_orders, bench_outbox")
    await pool.end()
  }
}
