import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { copySample, dropSample, execute, order, prepareSample, rows, type Sample } from "../system.js"

const program = fileURLToPath(new URL("../../bin/tandem-reconcile.mjs", import.meta.url))

const run = (parameters: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
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

describe("tandem-reconcile", { timeout: 120_000 }, () => {
  let original: Sample
  let sample: Sample
  let addresses: ReadonlyArray<string>
  beforeAll(async () => {
    original = await prepareSample()
    sample = await copySample(original)
    addresses = ["--order-database-url", sample.orders.url, "--payment-database-url", sample.payments.url]
  })
  afterAll(async () => {
    if (sample !== undefined) await dropSample(sample)
    if (original !== undefined) await dropSample(original)
  })

  it("exits 0 when nothing disagrees, also with addresses from the environment", async () => {
    const result = await run(["--recheck-after", "0 seconds"], {
      ORDER_DATABASE_URL: sample.orders.url,
      PAYMENT_DATABASE_URL: sample.payments.url,
    })
    expect(result).toMatchObject({ code: 0, errors: "" })
    expect(result.output).toContain("Nothing disagrees.")
  })

  it("exits 1 with findings, for people and for machines, and repairs nothing by itself", async () => {
    await execute(
      sample.orders.url,
      `UPDATE orders SET status = 'NEW', reason = NULL, settled_at = NULL WHERE id = '${order(2)}'`,
      "DELETE FROM notifications WHERE user_id = 'u2'",
      "DELETE FROM notification_counters WHERE user_id = 'u2'",
    )
    const text = await run([...addresses, "--recheck-after", "0 seconds"])
    expect(text).toMatchObject({ code: 1, errors: "" })
    expect(text.output).toMatch(new RegExp(`unheard-decision: 1\\.[^]*orderId ${order(2)}[^]*1 finding\\.`))
    const json = await run([...addresses, "--recheck-after", "0 seconds", "--json"])
    expect(json.code).toBe(1)
    expect(JSON.parse(json.output)).toMatchObject({
      clean: false,
      orders: 5,
      books: { balances: "700" },
      findings: [{ kind: "unheard-decision", ids: { orderId: order(2), userId: "u2" }, repairable: true }],
      repairs: {},
    })
    expect(await rows(sample.payments.url, "SELECT id FROM outbox_events")).toEqual([])
  })

  it("repairs only with --yes and a name, through the outbox, and records it", async () => {
    const repairing = [...addresses, "--recheck-after", "0 seconds", "--repair", "unheard-decision"]
    expect(await run(repairing)).toMatchObject({
      code: 2,
      errors: "--repair needs --actor, the name that goes into the record.\n",
    })
    const dry = await run([...repairing, "--actor", "olga"])
    expect(dry).toMatchObject({ code: 2, errors: "Nothing was repaired: say --yes as well to do it.\n" })
    expect(await rows(sample.payments.url, "SELECT to_regclass('reconciliation_repairs') AS name")).toEqual([
      { name: null },
    ])

    const done = await run([...repairing, "--actor", "olga", "--yes", "--json"])
    expect(done).toMatchObject({ code: 1, errors: "" })
    expect(JSON.parse(done.output)).toMatchObject({ repairs: { "unheard-decision": 1 } })
    const sent = await rows(
      sample.payments.url,
      "SELECT topic, key, convert_from(value, 'UTF8')::json ->> 'type' AS type FROM outbox_events",
    )
    expect(sent).toEqual([{ topic: "payment-results", key: "u2", type: "PaymentDeclined" }])
    const recorded = await rows(
      sample.payments.url,
      "SELECT kind, order_id, message_type, reason, actor FROM reconciliation_repairs",
    )
    expect(recorded).toEqual([
      {
        kind: "unheard-decision",
        order_id: order(2),
        message_type: "PaymentDeclined",
        reason: "AccountNotFound",
        actor: "olga",
      },
    ])
  })

  it("exits 2 with a sentence when it cannot check", async () => {
    const away = "postgres://olga:s3cret@127.0.0.1:1/orders"
    const nowhere = await run(["--order-database-url", away, "--payment-database-url", away])
    expect(nowhere.code).toBe(2)
    expect(nowhere.errors).toMatch(
      /^The (order|payment) database cannot be checked: connect ECONNREFUSED 127\.0\.0\.1:1\.\n$/,
    )
    const swapped = await run([
      "--order-database-url",
      sample.payments.url,
      "--payment-database-url",
      sample.orders.url,
    ])
    expect(swapped.code).toBe(2)
    expect(swapped.errors).toMatch(/database cannot be checked: it has no table [a-z_, ]+; is the address right\.\n$/)
    const unset = await run([])
    expect(unset.code).toBe(2)
    expect(unset.output + unset.errors).toContain("order-database-url")
    const noDuration = await run([...addresses, "--settle-grace", "soon"])
    expect(noDuration).toMatchObject({ code: 2 })
    expect(noDuration.errors).toBe('--settle-grace must be a duration such as "90 seconds" or "15 minutes".\n')
    for (const { output, errors } of [nowhere, swapped, unset]) expect(output + errors).not.toContain("s3cret")
  })
})
