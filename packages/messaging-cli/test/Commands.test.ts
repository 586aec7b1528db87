import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { PgClient } from "@effect/sql-pg"
import { createTestDatabase, type TestDatabase } from "@tandem/dev-stack/TestPostgres"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { migrate } from "@tandem/messaging/Migrations"
import { Effect, Redacted } from "effect"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const program = fileURLToPath(new URL("../bin/tandem-messaging.mjs", import.meta.url))

const run = (parameters: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  new Promise<{ readonly code: number | null; readonly output: string; readonly errors: string }>((resolve) => {
    const child = spawn(process.execPath, [program, ...parameters], {
      env: { PATH: process.env["PATH"] ?? "", ...env },
    })
    const text = { output: "", errors: "" }
    child.stdout.on("data", (bytes) => {
      text.output += bytes
    })
    child.stderr.on("data", (bytes) => {
      text.errors += bytes
    })
    child.on("close", (code) => resolve({ code, ...text }))
  })

describe("tandem-messaging", { timeout: 120_000 }, () => {
  let database: TestDatabase
  const tool = (...parameters: ReadonlyArray<string>) => run(parameters, { DATABASE_URL: database.url })
  beforeAll(async () => {
    database = await createTestDatabase()
    await Effect.runPromise(
      Effect.provide(
        migrate([messagingSchema]),
        PgClient.layer({ url: Redacted.make(database.url), maxConnections: 1 }),
      ),
    )
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    await client.query(
      `INSERT INTO dead_letters (consumer, topic, partition, message_offset, key, value, headers, error, attempts)
       SELECT 'order-service', 'payment-results', 0, n, 'u1', $1, '{"content-type":"application/json"}', 'no such order', 1
       FROM generate_series(1, 5) AS n`,
      [Buffer.from('{"data":{"amount":5}}')],
    )
    await client.query(
      `INSERT INTO dead_letters (consumer, topic, partition, message_offset, key, value, headers, error, attempts)
       VALUES ('other', 'things', 1, 9, NULL, '\\xff00', '{}', 'not JSON', 1)`,
    )
    await client.query(`INSERT INTO outbox_events (topic, headers) VALUES ('things', '{}')`)
    await client.end()
  })
  afterAll(() => database?.drop())

  it("lists letters page by page, for people and for machines", async () => {
    const page = await tool("dead-letters", "list", "--consumer", "order-service", "--limit", "2")
    expect(page).toMatchObject({ code: 0, errors: "" })
    expect(page.output).toMatch(/^1 {2}pending .*payment-results\/0@1 {2}no such order\n2 .*\n.*--after 2\n$/)
    const next = await tool("dead-letters", "list", "--after", "2", "--json")
    expect((JSON.parse(next.output) as ReadonlyArray<{ id: string }>).map(({ id }) => id)).toEqual(["3", "4", "5", "6"])
  })

  it("shows a letter with its bytes, as text where they are text", async () => {
    const text = await tool("dead-letters", "show", "1")
    expect(text.output).toContain('"amount": 5')
    const hex = await tool("dead-letters", "show", "6", "--json")
    expect(JSON.parse(hex.output)).toMatchObject({ key: null, value: "hex ff00", actions: [] })
  })

  it("marks letters for replay and discards them, each recorded, and tells which it left alone", async () => {
    expect(await tool("dead-letters", "replay", "1", "--actor", "ada")).toMatchObject({ code: 0, errors: "" })
    expect(await tool("dead-letters", "discard", "2", "--reason", "a test", "--actor", "ada")).toMatchObject({
      code: 0,
    })
    const again = await tool("dead-letters", "replay", "1", "2", "3", "--actor", "bob")
    expect(again).toMatchObject({ code: 1, errors: "Not pending, and left alone: 1, 2.\n" })
    const all = await tool("dead-letters", "replay", "--all", "--consumer", "order-service")
    expect(all.output).toBe("2 letter(s) marked: their consumer replays them.\n")
    const { output } = await tool("dead-letters", "show", "2")
    expect(output).toContain("2, discarded")
    expect(output).toMatch(/discarded by ada: a test/)
  })

  it("tells what waits in the outbox", async () => {
    const { output } = await tool("outbox", "--json")
    expect(JSON.parse(output)).toMatchObject({ depth: 1, publisher: null })
  })

  it.each([
    ["a letter that is not there", ["dead-letters", "show", "99"], "There is no letter 99.\n"],
    ["an id that is none", ["dead-letters", "replay", "x"], '"x" is no letter\'s id: ids are whole numbers.\n'],
    ["nothing to replay", ["dead-letters", "replay"], "Name the letters, or say --all --consumer NAME.\n"],
    ["all of everybody", ["dead-letters", "replay", "--all"], "--all needs --consumer.\n"],
    ["no reason", ["dead-letters", "discard", "3", "--reason", " "], "--reason must say why.\n"],
  ])("refuses %s in a sentence", async (_, parameters, sentence) => {
    expect(await tool(...parameters)).toEqual({ code: 2, output: "", errors: sentence })
  })

  it("refuses a database that is not there, or has no tables of the kit, without telling the password", async () => {
    const gone = await run(["outbox"], { DATABASE_URL: "postgres://u:secret@127.0.0.1:1/x" })
    expect(gone.code).toBe(2)
    expect(gone.errors).toMatch(/^The database cannot be used: .*\.\n$/)
    expect(gone.errors).not.toContain("secret")
    const empty = await createTestDatabase()
    const { errors } = await run(["outbox"], { DATABASE_URL: empty.url })
    await empty.drop()
    expect(errors).toMatch(/^The database has no tables of the messaging kit/)
  })
})
