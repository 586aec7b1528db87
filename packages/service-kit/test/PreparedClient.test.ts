import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { PreparedClient } from "@tandem/service-kit/PreparedClient"
import { Pool } from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

describe("a connection of the pool", () => {
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

  const prepared = async () => {
    const { rows } = await pool.query<{ statement: string }>("SELECT statement FROM pg_prepared_statements ORDER BY 1")
    return rows.map((row) => row.statement)
  }

  it("prepares a statement with parameters once, however often it runs", async () => {
    for (const number of [1, 2, 3]) {
      expect((await pool.query("SELECT $1::integer + 1 AS next", [number])).rows).toEqual([{ next: number + 1 }])
    }
    expect(await prepared()).toEqual(["SELECT $1::integer + 1 AS next"])
  })

  it("prepares nothing that has no parameters, such as several statements at once", async () => {
    await pool.query("CREATE TABLE t (n integer); INSERT INTO t VALUES (1)")
    expect((await pool.query({ text: "SELECT n FROM t", rowMode: "array" })).rows).toEqual([[1]])
    expect(await prepared()).toHaveLength(1)
  })

  it("answers callbacks and says what is wrong, as any other connection", async () => {
    await expect(pool.query("SELECT $1::integer", ["x"])).rejects.toMatchObject({ code: "22P02" })
    const rows = await new Promise((resolve, reject) => {
      pool.query("SELECT $1::text AS said", ["a"], (error, result) => (error ? reject(error) : resolve(result.rows)))
    })
    expect(rows).toEqual([{ said: "a" }])
  })

  it("goes on with a statement that names its columns when a migration adds one", async () => {
    const read = () => pool.query("SELECT n FROM t WHERE n = $1", [1])
    expect((await read()).rows).toEqual([{ n: 1 }])
    await pool.query("ALTER TABLE t ADD COLUMN more text")
    expect((await read()).rows).toEqual([{ n: 1 }])
  })
})
