import pg from "pg"

/** A database of a test's own. */
export interface TestDatabase {
  readonly url: string
  readonly drop: () => Promise<void>
}

/** Where the global setup leaves the address of the server that all tests share. */
export const serverVariable = "TANDEM_TEST_POSTGRES"

let count = 0

const admin = async (statement: string): Promise<void> => {
  const server = process.env[serverVariable]
  if (server === undefined) throw new Error(`${serverVariable} is not set: is the global setup in vitest.config.ts?`)
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** A new database, empty or a copy of `template`, which nobody may be connected to. */
export const createTestDatabase = async (options: { readonly template?: string } = {}): Promise<TestDatabase> => {
  const name = `test_${process.pid}_${Date.now().toString(36)}_${count++}`
  const template = options.template === undefined ? "template0" : new URL(options.template).pathname.slice(1)
  await admin(`CREATE DATABASE ${name} TEMPLATE ${pg.escapeIdentifier(template)}`)
  const url = new URL(process.env[serverVariable] ?? "")
  url.pathname = name
  return { url: url.href, drop: () => admin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) }
}
