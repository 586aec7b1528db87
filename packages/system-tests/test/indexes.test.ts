import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { call, eventually } from "../src/Client.js"

const users = 20
const orders = 600

interface TableUse {
  readonly table: string
  readonly written: number
  /** Rows that were read by walking through the table. */
  readonly walked: number
}

/** What the tables of one database were used for so far, as the server counts it; sessions report with a delay. */
const tableUse = async (connectionString: string): Promise<ReadonlyArray<TableUse>> => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query<TableUse>(
      `SELECT relname AS table, (n_tup_ins + n_tup_upd)::integer AS written, seq_tup_read::integer AS walked
       FROM pg_stat_user_tables ORDER BY relname`,
    )
    return rows
  } finally {
    await client.end()
  }
}

/** Young tables look small to the planner, and prepared statements keep their plans: this is when a walk would be chosen. */
describe("the first orders of a new installation", () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ broker: "postgres" })
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  it("are settled without a walk through any table", async () => {
    for (let user = 0; user < users; user++) {
      await call("POST", `${stack.paymentUrl}/accounts?userId=u${user}&amount=1000`)
    }
    for (let placed = 0; placed < orders; placed += 10) {
      const some = Array.from({ length: 10 }, (_, index) => (placed + index) % users)
      await Promise.all(some.map((user) => call("POST", `${stack.orderUrl}/orders?userId=u${user}&amount=1`)))
    }
    const { orders: orderDatabase, payments: paymentDatabase, broker } = stack.databaseUrls
    const found = [
      // Every order is written when it is created and when it is settled.
      ...(await used(orderDatabase, "orders", 2 * orders)),
      ...(await used(paymentDatabase, "payments", orders)),
      ...(await used(broker, "records", 2 * orders)),
    ]
    // Tables of one row, or of a row for each instance, may be read whole.
    expect(found.filter(({ walked }) => walked > users)).toEqual([])
  }, 120_000)
})

/** The use of all tables once a table was written so often, and whoever wrote it has reported. */
const used = (url: string, table: string, written: number) =>
  eventually(`${table} to be written ${written} times`, async () => {
    const use = await tableUse(url)
    return use.some((one) => one.table === table && one.written >= written) ? use : undefined
  })
