import { createServer } from "node:http"
import pg from "pg"

/** What a request asks for. */
interface Waiting {
  readonly userId: string
  readonly amount: number
  readonly answer: (id: string | undefined) => void
}

const pool = new pg.Pool({ connectionString: process.env["DATABASE_URL"], max: 2 })

const text = `
  WITH command AS (
    SELECT uuidv7() AS id, user_id, amount, clock_timestamp() AS at
    FROM unnest($1::text[], $2::bigint[]) AS c (user_id, amount)
  ), outbox AS (
    INSERT INTO outbox_events (topic, key, value, headers)
    SELECT 'payment-requests', user_id, convert_to($3 || id, 'UTF8'), '{}' FROM command
  )
  INSERT INTO orders (id, user_id, amount, status, version, created_at, updated_at)
  SELECT id, user_id, amount, 'NEW', 1, at, at FROM command RETURNING id`

const padding = "x".repeat(260)
let waiting: Array<Waiting> = []
let inFlight = 0

const start = () => {
  const batch = waiting
  waiting = []
  inFlight++
  pool
    .query<{ id: string }>({
      name: "insert",
      text,
      values: [batch.map(({ userId }) => userId), batch.map(({ amount }) => amount), padding],
    })
    .then(
      ({ rows }) => batch.forEach(({ answer }, index) => void answer(rows[index]?.id)),
      () => batch.forEach(({ answer }) => void answer(undefined)),
    )
    .finally(() => {
      inFlight--
      if (waiting.length > 0) start()
    })
}

/**
 * The yardstick of `POST /orders`: bare `node:http` and `pg`, the same tables, the same sharing of statements, two in flight; nothing is
 * checked and nothing is traced.
 */
createServer((request, response) => {
  const query = new URLSearchParams(request.url?.slice(request.url.indexOf("?")))
  const userId = query.get("userId") ?? ""
  const amount = Number(query.get("amount"))
  waiting.push({
    userId,
    amount,
    answer: (id) => {
      const body = JSON.stringify({ id, userId, amount, status: "NEW", reason: null, version: 1 })
      response.writeHead(id === undefined ? 500 : 201, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      })
      response.end(body)
    },
  })
  if (inFlight < 2) start()
}).listen(Number(process.env["PORT"]), "127.0.0.1", () => console.log("Started App"))
