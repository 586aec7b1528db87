import { kafkaIsMissing } from "@tandem/dev-stack/TestKafka"
import { describe, expect, it } from "vitest"
import { runCampaign } from "../src/faults/Campaign.js"

const seed = Number(process.env["CAMPAIGN_SEED"] ?? 1)

describe("the whole system under faults at every part of it", () => {
  for (const broker of ["postgres", "kafka"] as const) {
    it.skipIf(broker === "kafka" && kafkaIsMissing())(
      `keeps every promise over ${broker}`,
      async () => {
        const report = await runCampaign({ broker, seed, rounds: 1, faults: 8, orders: 1_000, say: () => undefined })
        expect(report.violations, report.log.slice(-100).join("\n")).toEqual([])
        expect(report.orders).toBeGreaterThanOrEqual(1_000)
        expect(Object.values(report.faults).reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(11)
        expect(report.copies).toBeGreaterThan(0)
      },
      400_000,
    )
  }
})
