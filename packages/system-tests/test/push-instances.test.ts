import type { Service } from "@tandem/dev-stack/Services"
import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runPushCampaign } from "../src/PushCampaign.js"

describe("push from two instances, to clients that come and go, through kill -9", () => {
  let stack: Stack
  let second: Service
  beforeAll(async () => {
    stack = await startStack({ durable: false })
    second = await stack.addInstance("order")
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  it("tells each client each number once and in order, up to the user's last", async () => {
    const seed = Number(process.env["CAMPAIGN_SEED"] ?? 1)
    const result = await runPushCampaign(stack, second, { seed, orders: 2_000, clients: 200, users: 40, kills: 1 })
    expect([result.faults, result.behind]).toEqual([[], []])
    expect(result.notifications).toBeGreaterThanOrEqual(2_000)
    expect(result.outcomes).toHaveProperty("FINISHED")
    for (const transport of ["WebSocket", "event stream"]) expect(result.counts[transport]).toBeGreaterThan(200)
    expect(result.counts["broken"]).toBeGreaterThan(0)
  }, 240_000)
})
