import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { PreparedClient } from "@tandem/messaging-postgres/PreparedClient"
import { Pool } from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

describe("a connection of the broker", () => {
  let pool: Pool
  let drop: () => Promise<void>
  beforeAll(async () => {
    const database = await createTestDatabase()
    drop = database.drop
    pool = new Pool({ connectionString: database.url, max: 1, Client: PreparedClient })
  })
  afterAll(async () => {
    await pool.end()
    await drop()
  })

  it("prepares a statement with parameters once, however often it runs, and leaves others alone", async () => {
    await pool.query("SELECT 1; SELECT 2")
    for (const number of [1, 2, 3]) {
      expect((await pool.query("SELECT $1::integer + 1 AS next", [number])).rows).toEqual([{ next: number + 1 }])
    }
    const { rows } = await pool.query("SELECT statement FROM pg_prepared_statements")
    expect(rows).toEqual([{ statement: "SELECT $1::integer + 1 AS next" }])
  })
})
