import pg from "pg"

/**
 * Holds a snapshot open while `work` runs, as a forgotten session or a long report does: no dead row that it could still see may be
 * removed.
 */
export const underHeldSnapshot = async <A>(databaseUrl: string, work: () => Promise<A>): Promise<A> => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await client.query("SELECT count(*) FROM outbox_events")
    return await work()
  } finally {
    await client.end()
  }
}
