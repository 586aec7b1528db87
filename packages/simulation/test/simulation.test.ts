import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { drawSchedule } from "../src/Schedule.js"
import { shrink } from "../src/Shrink.js"
import { openDatabases, simulate } from "../src/Simulation.js"

describe("both services under schedules of faults", () => {
  let databases: Awaited<ReturnType<typeof openDatabases>>
  beforeAll(async () => {
    databases = await openDatabases()
  }, 60_000)
  afterAll(() => databases?.close())

  it("keep every promise", async () => {
    let orders = 0
    for (let seed = 1; seed <= 60; seed++) {
      const outcome = await simulate(databases, drawSchedule(seed))
      expect([seed, outcome.violations]).toEqual([seed, []])
      orders += outcome.orders
    }
    expect(orders).toBeGreaterThan(200)
  }, 240_000)

  it("do the same for the same seed, whatever was played before", async () => {
    const traces: Array<string> = []
    for (const seed of [7, 8, 7, 9, 8, 7]) traces.push((await simulate(databases, drawSchedule(seed))).trace)
    const [seven, eight, again, , eightAgain, third] = traces
    expect([again, eightAgain, third]).toEqual([seven, eight, seven])
    expect(eight).not.toBe(seven)
  }, 60_000)

  it("are found out when a balance is wrong, by a schedule with nothing left in it that this does not need", async () => {
    const tampered = {
      ...databases,
      payment: Object.assign(Object.create(databases.payment), {
        rows: async (text: string) =>
          (await databases.payment.rows(text)).map((row) =>
            row["balance"] == null ? row : { ...row, balance: `${Number(row["balance"]) + 1}` },
          ),
      }),
    }
    const schedule = drawSchedule(11)
    const fails = async (less: typeof schedule) =>
      (await simulate(tampered, less)).violations.some((violation) => violation.startsWith("balances that are not"))
    expect(await fails(schedule)).toBe(true)
    const small = await shrink(schedule, fails)
    expect(small.faults).toEqual([])
    expect(small.operations.map(({ kind }) => kind)).toEqual(["top up"])
  }, 120_000)
})
