import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { plants } from "../src/planted/Plants.js"
import { makeScratch, type Scratch } from "../src/planted/Scratch.js"

/** Found by one of the first schedules; `npm run planted` plants all. */
const quick = ["a user's numbers skip one", "an unreadable message is dropped", "an order does not hear of its refund"]

describe("a fault planted into a copy of the product", () => {
  let scratch: Scratch
  beforeAll(() => {
    scratch = makeScratch()
  }, 60_000)
  afterAll(() => scratch?.remove())

  it.each(quick)(
    "is noticed: %s",
    async (name) => {
      const plant = plants.find((one) => one.name === name)
      if (plant === undefined) throw new Error("there is no such plant")
      const { found, said } = await scratch.detect(plant)
      expect(found, said).toBe(true)
    },
    120_000,
  )
})
