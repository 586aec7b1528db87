import { Buffer } from "node:buffer"
import pg from "pg"

/** The topic of the kit's benchmarks. */
export const topic = "bench-events"

/** As many as the topics of the services have. */
export const partitions = 8

/** The one header of a CloudEvent in structured mode. */
export const headers = { "content-type": "application/cloudevents+json" }

/** A value of 300 bytes, a CloudEvent of the size that the services send. */
export const value = (n: number): Buffer => {
  const event = JSON.stringify({
    specversion: "1.0",
    id: `01890000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`,
    source: "/tandem/bench",
    type: "Benchmarked",
    data: { n, pad: "" },
  })
  return Buffer.from(event.replace('"pad":""', `"pad":"${"x".repeat(300 - event.length)}"`))
}

/** Keys, as of users. */
export const key = (n: number): string => `user-${n % 5_000}`

/** Puts so many rows into the outbox, by one COPY-like INSERT, and lets PostgreSQL know its size. */
export const fillOutbox = async (databaseUrl: string, rows: number, to: string = topic): Promise<void> => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query(
      `INSERT INTO outbox_events (topic, key, value, headers)
       SELECT $1, 'user-' || (n % 5000), convert_to(rpad(
         '{"specversion":"1.0","id":"01890000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') ||
         '","source":"/tandem/bench","type":"Benchmarked","data":{"n":' || n || ',"pad":"', 297, 'x') || '"}}', 'UTF8'), $2::jsonb
       FROM generate_series(1, $3::integer) AS n`,
      [to, JSON.stringify(headers), rows],
    )
    await client.query("VACUUM ANALYZE outbox_events")
  } finally {
    await client.end()
  }
}

/** How many rows are left. */
export const outboxDepth = async (databaseUrl: string): Promise<number> => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ depth: string }>("SELECT count(*) AS depth FROM outbox_events")
    return Number(rows[0]?.depth)
  } finally {
    await client.end()
  }
}
