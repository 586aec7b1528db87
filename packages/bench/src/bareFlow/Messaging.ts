import { randomBytes, randomUUID } from "node:crypto"
import kafkajs from "kafkajs"
import type pg from "pg"

const { Kafka, Partitioners, logLevel } = kafkajs

/** About as long as one of the services' events. */
export interface Event {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly time: string
  readonly data: { readonly orderId: string; readonly userId: string; readonly amount: number }
}

/** An event of ours, as JSON. */
export const event = (type: string, data: Event["data"]): string =>
  JSON.stringify({
    specversion: "1.0",
    id: randomUUID(),
    source: "/tandem/bench/bare-flow",
    type: `tandem.bench.${type}.v1`,
    time: new Date().toISOString(),
    datacontenttype: "application/json",
    data: { ...data, occurredAt: new Date().toISOString() },
  })

/** A UUID of version 7, so that the index on it grows at one end. */
export const orderId = (): string => {
  const hex = Date.now().toString(16).padStart(12, "0") + randomBytes(10).toString("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** One side's Kafka. */
export const kafka = (brokers: string) =>
  new Kafka({ clientId: "bare-flow", brokers: brokers.split(","), logLevel: logLevel.NOTHING })

interface OutboxRow {
  readonly id: string
  readonly topic: string
  readonly key: string
  readonly value: string
}

/** Publishes the outbox for ever: lowest rows first, acks = all, then deletes them with the next read. Answers its signal. */
export const relay = async (pool: pg.Pool, client: InstanceType<typeof Kafka>): Promise<() => void> => {
  const producer = client.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  let wake: () => void = () => undefined
  const run = async () => {
    let done: ReadonlyArray<string> = []
    while (true) {
      const { rows }: pg.QueryResult<OutboxRow> = await pool.query({
        name: "relay",
        text: `
          WITH removed AS (DELETE FROM outbox_events WHERE id = ANY($1::bigint[]))
          SELECT id, topic, key, value FROM outbox_events WHERE id <> ALL ($1::bigint[]) ORDER BY id LIMIT 1000`,
        values: [done],
      })
      done = rows.map(({ id }) => id)
      const topics = [...new Set(rows.map(({ topic }) => topic))]
      if (rows.length > 0) {
        await producer.sendBatch({
          acks: -1,
          topicMessages: topics.map((topic) => ({ topic, messages: rows.filter((row) => row.topic === topic) })),
        })
      }
      if (rows.length < 1_000) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 15)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    }
  }
  void run()
  return () => wake()
}

/**
 * Consumes a topic for ever: what waits of all partitions is one transaction, with an inbox. `work` has the new ones only, and answers what
 * is to be done after the commit; the offsets are not stored.
 */
export const consume = async (
  pool: pg.Pool,
  client: InstanceType<typeof Kafka>,
  topic: string,
  work: (database: pg.PoolClient, events: ReadonlyArray<Event>) => Promise<() => void>,
): Promise<void> => {
  const consumer = client.consumer({ groupId: `bare-${topic}`, minBytes: 1, maxWaitTimeInMs: 500 })
  const waiting: Array<{ readonly events: ReadonlyArray<Event>; readonly settled: () => void }> = []
  let busy = false
  const settle = async () => {
    if (busy) return
    busy = true
    while (waiting.length > 0) {
      const batches = waiting.splice(0)
      const events = batches.flatMap((batch) => batch.events)
      const database = await pool.connect()
      await database.query("BEGIN")
      const { rows } = await database.query<{ message_id: string }>({
        name: "inbox",
        text: "INSERT INTO inbox_events (message_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING RETURNING message_id",
        values: [events.map(({ id }) => id)],
      })
      const fresh = new Set(rows.map((row) => row.message_id))
      const afterCommit = await work(
        database,
        events.filter(({ id }) => fresh.delete(id)),
      )
      await database.query("COMMIT")
      database.release()
      afterCommit()
      for (const { settled } of batches) settled()
    }
    busy = false
  }
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 32,
    eachBatch: ({ batch }) =>
      new Promise((settled) => {
        waiting.push({ events: batch.messages.map(({ value }) => JSON.parse(String(value))), settled })
        void settle()
      }),
  })
}
