import { createServer } from "node:http"
import pg from "pg"
import { type WebSocket, WebSocketServer } from "ws"
import { consume, event, kafka, orderId, relay } from "./Messaging.js"

const { DATABASE_URL, KAFKA, REQUESTS = "", RESULTS = "", PORT } = process.env
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 6, options: "-c enable_seqscan=off" })
const client = kafka(KAFKA ?? "")
const signal = await relay(pool, client)
const sockets = new Map<string, WebSocket>()

await consume(pool, client, RESULTS, async (database, events) => {
  await database.query({
    name: "settle",
    text: "UPDATE orders SET status = 'FINISHED', version = 2, settled_at = now() WHERE id = ANY($1::uuid[]) AND version = 1",
    values: [events.map(({ data }) => data.orderId)],
  })
  const { rows } = await database.query<{ readonly user_id: string; readonly seq: string }>({
    name: "notify",
    text: `
        WITH told AS (
          SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[])
          WITH ORDINALITY AS notice (user_id, order_id, amount, position)
        ), counted AS (SELECT user_id, count(*) AS n FROM told GROUP BY user_id
        ), counter AS (
          INSERT INTO notification_counters (user_id, seq) SELECT user_id, n FROM counted ORDER BY user_id
          ON CONFLICT (user_id) DO UPDATE SET seq = notification_counters.seq + excluded.seq RETURNING user_id, seq
        )
        INSERT INTO notifications (user_id, seq, order_id, amount, status, at)
        SELECT user_id, seq - n + row_number() OVER (PARTITION BY user_id ORDER BY position), order_id, amount, 'FINISHED', now()
        FROM told JOIN counted USING (user_id) JOIN counter USING (user_id)
        RETURNING user_id, seq, order_id AS "orderId", amount, status, at`,
    values: [
      events.map(({ data }) => data.userId),
      events.map(({ data }) => data.orderId),
      events.map(({ data }) => data.amount),
    ],
  })
  return () => {
    for (const row of rows) {
      sockets.get(row.user_id)?.send(JSON.stringify({ type: "order-status-changed", ...row, seq: Number(row.seq) }))
    }
  }
})

interface Waiting {
  readonly id: string
  readonly userId: string
  readonly amount: number
  readonly answer: () => void
}

const text = `
  WITH outbox AS (
    INSERT INTO outbox_events (topic, key, value) SELECT $5, * FROM unnest($2::text[], $4::text[])
  )
  INSERT INTO orders (id, user_id, amount, status, version, created_at)
  SELECT id, user_id, amount, 'NEW', 1, now() FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS c (id, user_id, amount)`

let waiting: Array<Waiting> = []
let inFlight = 0
const flush = async () => {
  const batch = waiting
  waiting = []
  inFlight++
  await pool.query({
    name: "insert",
    text,
    values: [
      batch.map(({ id }) => id),
      batch.map(({ userId }) => userId),
      batch.map(({ amount }) => amount),
      batch.map(({ id, userId, amount }) => event("payment-requested", { orderId: id, userId, amount })),
      REQUESTS,
    ],
  })
  signal()
  for (const { answer } of batch) answer()
  inFlight--
  if (waiting.length > 0) void flush()
}

const server = createServer((request, response) => {
  const query = new URLSearchParams(request.url?.slice(request.url.indexOf("?")))
  const [id, userId, amount] = [orderId(), query.get("userId") ?? "", Number(query.get("amount"))]
  const answer = () => {
    const body = JSON.stringify({ id, userId, amount, status: "NEW", reason: null, version: 1 })
    response.writeHead(201, { "content-type": "application/json", "content-length": body.length }).end(body)
  }
  waiting.push({ id, userId, amount, answer })
  if (inFlight < 2) void flush()
})
new WebSocketServer({ server, path: "/ws" }).on("connection", (socket, request) => {
  const userId = new URLSearchParams(request.url?.slice(request.url.indexOf("?"))).get("userId") ?? ""
  sockets.set(userId, socket)
  socket.send(JSON.stringify({ type: "welcome", userId, seq: 0, recovered: true }))
})
server.listen(Number(PORT), "127.0.0.1", () => console.log("Started App"))
