import pg from "pg"
import { consume, event, kafka, relay } from "./Messaging.js"

const { DATABASE_URL, KAFKA, REQUESTS = "", RESULTS = "" } = process.env
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 6, options: "-c enable_seqscan=off" })
const client = kafka(KAFKA ?? "")
const signal = await relay(pool, client)

interface Account {
  readonly user_id: string
  balance: number
  version: number
}

await consume(pool, client, REQUESTS, async (database, events) => {
  const users = [...new Set(events.map(({ data }) => data.userId))]
  const { rows } = await database.query<Record<keyof Account, string>>({
    name: "accounts",
    text: "SELECT user_id, balance, version FROM accounts WHERE user_id = ANY($1)",
    values: [users],
  })
  const accounts = new Map(
    rows.map((row): [string, Account] => [
      row.user_id,
      { user_id: row.user_id, balance: Number(row.balance), version: Number(row.version) },
    ]),
  )
  const lines = events.flatMap(({ data }) => {
    const account = accounts.get(data.userId)
    if (account === undefined || account.balance < data.amount) return []
    account.balance -= data.amount
    account.version++
    return [{ ...data, version: account.version, balanceAfter: account.balance }]
  })
  const moved = [...accounts.values()]
  await database.query({
    name: "settle",
    text: `
        WITH moved AS (
          UPDATE accounts SET balance = m.balance, version = m.version
          FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS m (user_id, balance, version)
          WHERE accounts.user_id = m.user_id AND accounts.version < m.version
        ), paid AS (
          INSERT INTO payments (order_id, user_id, amount, status, decided_at)
          SELECT *, 'SUCCEEDED', now() FROM unnest($4::uuid[], $5::text[], $6::bigint[])
        ), booked AS (
          INSERT INTO transfers (account, account_version, order_id, amount, balance_after)
          SELECT 'user:' || user_id, version, order_id, amount, balance_after
          FROM unnest($4::uuid[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[])
            AS line (order_id, user_id, amount, version, balance_after)
        )
        INSERT INTO outbox_events (topic, key, value) SELECT $10, * FROM unnest($5::text[], $9::text[])`,
    values: [
      moved.map(({ user_id }) => user_id),
      moved.map(({ balance }) => balance),
      moved.map(({ version }) => version),
      lines.map(({ orderId }) => orderId),
      lines.map(({ userId }) => userId),
      lines.map(({ amount }) => amount),
      lines.map(({ version }) => version),
      lines.map(({ balanceAfter }) => balanceAfter),
      lines.map(({ orderId, userId, amount }) => event("payment-succeeded", { orderId, userId, amount })),
      RESULTS,
    ],
  })
  return signal
})
console.log("Started App")
