import pg from "pg"

/** Rows a second that one connection reads of the outbox, lowest first, a thousand at a time, with nothing done to them. */
export const readOnlyScan = async (databaseUrl: string, rows: number): Promise<number> => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const start = performance.now()
    let last = "0"
    for (let seen = 0; seen < rows; ) {
      const page: pg.QueryResult<{ id: string }> = await client.query({
        name: "scan",
        text: "SELECT id, topic, key, value, headers FROM outbox_events WHERE id > $1 ORDER BY id LIMIT 1000",
        values: [last],
      })
      seen += page.rows.length
      last = page.rows.at(-1)?.id ?? last
    }
    return rows / ((performance.now() - start) / 1_000)
  } finally {
    await client.end()
  }
}

/** Inbox rows a second of one connection, `batch` new ids a transaction. */
export const inboxInserts = async (databaseUrl: string, rows: number, batch: number): Promise<number> => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query("TRUNCATE inbox_events")
    const start = performance.now()
    for (let n = 0; n < rows; n += batch) {
      const ids = Array.from(
        { length: batch },
        (_, i) => `01890000-0000-7000-8000-${(n + i).toString(16).padStart(12, "0")}`,
      )
      await client.query({
        name: "inbox",
        text: "INSERT INTO inbox_events (consumer, message_id) SELECT 'bench', id FROM unnest($1::text[]) AS id ON CONFLICT DO NOTHING RETURNING message_id",
        values: [ids],
      })
    }
    return rows / ((performance.now() - start) / 1_000)
  } finally {
    await client.end()
  }
}
