import pg from "pg"

/** One statement, or several without parameters, over a connection of its own. */
export const query = async (databaseUrl: string, text: string): Promise<pg.QueryResult> => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return await client.query(text)
  } finally {
    await client.end()
  }
}
