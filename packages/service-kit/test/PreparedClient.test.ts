import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { PreparedClient } from "@tandem/service-kit/PreparedClient"
import { Pool, type QueryResult } from "pg"
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

describe("a transaction of the pool's connection", () => {
  let pool: Pool
  let drop: () => Promise<void>
  beforeAll(async () => {
    const database = await createTestDatabase()
    drop = database.drop
    pool = new Pool({ connectionString: database.url, max: 1, Client: PreparedClient })
    await pool.query("CREATE TABLE t (n integer PRIMARY KEY)")
  })
  afterAll(async () => {
    await pool.end()
    await drop()
  })

  /** As `@effect/sql-pg` asks: with parameters, if none, and a callback. */
  const connection = async () => {
    const client = await pool.connect()
    client.on("error", () => undefined)
    const ask = (text: string, values: ReadonlyArray<unknown> = []) =>
      new Promise<QueryResult>((resolve, reject) => {
        client.query(text, [...values], (fault: Error | null, result: QueryResult) =>
          fault === null ? resolve(result) : reject(fault),
        )
      })
    return { client, ask }
  }
  const rows = async () => (await pool.query("SELECT n FROM t ORDER BY n")).rows.map(({ n }) => n)
  const insert = "INSERT INTO t VALUES ($1) RETURNING n"

  // The first transaction of a connection prepares BEGIN, the later ones send it with their first statement.
  for (const time of ["first", "second", "third"]) {
    it(`commits, or rolls back, all of its statements: the ${time}`, async () => {
      const { client, ask } = await connection()
      await ask("BEGIN")
      expect((await ask(insert, [1])).rows).toEqual([{ n: 1 }])
      expect((await ask(insert, [2])).rows).toEqual([{ n: 2 }])
      await ask("ROLLBACK")
      await ask("BEGIN")
      await ask(insert, [3])
      await ask("COMMIT")
      client.release()
      expect(await rows()).toEqual([3])
      await pool.query("DELETE FROM t")
    })
  }

  it("has a first statement without parameters, or of several parts", async () => {
    const { client, ask } = await connection()
    await ask("BEGIN")
    await ask("SELECT 1; INSERT INTO t VALUES (4)")
    await ask("ROLLBACK")
    await ask("BEGIN")
    await ask("INSERT INTO t VALUES (5)")
    await ask("COMMIT")
    client.release()
    expect(await rows()).toEqual([5])
    await pool.query("DELETE FROM t")
  })

  it("sends nothing before its first statement, and nothing at all without one", async () => {
    const { client, ask } = await connection()
    const sent = client as unknown as { readonly connection: { readonly stream: { readonly bytesWritten: number } } }
    const bytes = sent.connection.stream.bytesWritten
    for (const end of ["COMMIT", "ROLLBACK"]) {
      await ask("BEGIN")
      await ask(end)
    }
    expect(sent.connection.stream.bytesWritten).toBe(bytes)
    client.release()
  })

  it("is rolled back whole when its first statement fails, and its connection goes on", async () => {
    const { client, ask } = await connection()
    for (const number of [6, 7, 8]) {
      await ask("BEGIN")
      await expect(ask(insert, ["x"])).rejects.toMatchObject({ code: "22P02" })
      await expect(ask(insert, [number])).rejects.toMatchObject({ code: "25P02" })
      await ask("ROLLBACK")
      await ask("BEGIN")
      await ask(insert, [number])
      await ask("COMMIT")
    }
    client.release()
    expect(await rows()).toEqual([6, 7, 8])
    await pool.query("DELETE FROM t")
  })

  it("does not let its first statement run by itself when BEGIN fails", async () => {
    const { client, ask } = await connection()
    await ask("BEGIN")
    await ask(insert, [9])
    await ask("ROLLBACK")
    await ask("DEALLOCATE begin")
    await ask("BEGIN")
    await expect(ask(insert, [10])).rejects.toMatchObject({ code: "26000" })
    await ask("ROLLBACK")
    // Now BEGIN is sent by itself, and the statement waits behind it: the connection ends, and takes the statement with it.
    await ask("BEGIN")
    await expect(ask(insert, [11])).rejects.toThrow("Connection terminated")
    client.release(true)
    expect(await rows()).toEqual([])
  })
})
