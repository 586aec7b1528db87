import { type Stack, startStack } from "@tandem/dev-stack/Stack"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { expectedAnswers, runCampaign } from "../src/MoneyCampaign.js"

const paymentTimeout = "2 seconds"

describe("money under random commands, kill -9 and doubled messages", () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack({ durable: false, env: { PAYMENT_TIMEOUT: paymentTimeout } })
  }, 120_000)
  afterAll(() => stack?.stop(), 60_000)

  it("is neither lost nor doubled: every accepted order has its end, and the reconciliation finds nothing", async () => {
    const seed = Number(process.env["CAMPAIGN_SEED"] ?? 1)
    const result = await runCampaign(stack, {
      ...{ seed, operations: 2_000, clients: 64, users: 50, kills: 1, paymentTimeout },
    })
    expect(result.reconciliation).toMatchObject({ code: 0, errors: "", report: { findings: [], pending: 0 } })
    const { balances, funding, settlement } = result.reconciliation.report?.books ?? {}
    expect(BigInt(balances ?? -1)).toBe(BigInt(funding ?? 0) - BigInt(settlement ?? 0))
    expect(result.kept).toBe(result.accepted)
    expect(Object.keys(result.answers).filter((answer) => !expectedAnswers.has(answer))).toEqual([])
    expect(result.copies).toBeGreaterThan(0)
  }, 240_000)
})
