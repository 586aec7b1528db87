import { SqlClient } from "@effect/sql"
import { Effect, Layer, Redacted } from "effect"
import { afterAll, beforeAll, expect, it } from "vitest"
import type { RepairableKind } from "../../src/domain/Finding.js"
import { repair } from "../../src/sql/Repairs.js"
import { connect } from "../../src/sql/Snapshot.js"
import { dropSample, execute, order, prepareSample, rows, type Sample } from "../system.js"

const open = "01900000-0000-7000-8000-0000000000f1"
const asked = "01900000-0000-7000-8000-0000000000f2"

let sample: Sample
beforeAll(async () => {
  sample = await prepareSample()
  await execute(
    sample.orders.url,
    `INSERT INTO orders (id, user_id, amount, status, version, created_at, updated_at, cancel_asked_at, cancel_reason) VALUES
      ('${open}', 'u1', 5, 'NEW', 1, now(), now(), NULL, NULL),
      ('${asked}', 'u1', 6, 'NEW', 2, now(), now(), '2026-01-01', 'CancelledByUser')`,
  )
})
afterAll(() => sample === undefined || dropSample(sample))

const repairIn = (url: string, kind: RepairableKind, orderIds: ReadonlyArray<string>, actor = "olga") =>
  Effect.runPromise(
    repair(kind, orderIds, actor).pipe(
      Effect.provide(Layer.scoped(SqlClient.SqlClient, connect("test", Redacted.make(url)))),
    ),
  )

const messages = (url: string) =>
  rows(
    url,
    `SELECT event ->> 'type' AS type, event #>> '{data,orderId}' AS "orderId", event #>> '{data,reason}' AS reason
     FROM (SELECT id, convert_from(value, 'UTF8')::json AS event FROM outbox_events) AS message ORDER BY id`,
  )

it("asks for the cancellation of what is open, with the first reason, and leaves alone what is settled", async () => {
  const { url } = sample.orders
  expect(await repairIn(url, "unanswered-order", [open, asked, order(1), order(2)])).toBe(2)
  expect(await messages(url)).toEqual([
    { type: "PaymentCancellationRequested", orderId: open, reason: "PaymentTimeout" },
    { type: "PaymentCancellationRequested", orderId: asked, reason: "CancelledByUser" },
  ])
  const noted = `
    SELECT id, status, version, cancel_reason, cancel_asked_at = '2026-01-01' AS before FROM orders
    WHERE cancel_asked_at IS NOT NULL AND status = 'NEW' ORDER BY id`
  expect(await rows(url, noted)).toEqual([
    { id: open, status: "NEW", version: 2, cancel_reason: "PaymentTimeout", before: false },
    { id: asked, status: "NEW", version: 2, cancel_reason: "CancelledByUser", before: true },
  ])
  expect(await rows(url, "SELECT count(*) FROM reconciliation_repairs WHERE actor = 'olga'")).toEqual([{ count: "2" }])
})

it("repeats every kind of recorded answer as it was given", async () => {
  const { url } = sample.payments
  expect(await repairIn(url, "unheard-decision", [1, 2, 3, 4].map(order))).toBe(4)
  expect(await messages(url)).toEqual([
    { type: "PaymentSucceeded", orderId: order(1), reason: null },
    { type: "PaymentDeclined", orderId: order(2), reason: "AccountNotFound" },
    { type: "PaymentRefunded", orderId: order(3), reason: "RefundedByUser" },
    { type: "PaymentCancelled", orderId: order(4), reason: "CancelledByUser" },
  ])
})

it("says nothing that it cannot record", async () => {
  const { url } = sample.payments
  const before = await messages(url)
  await expect(repairIn(url, "unheard-decision", [order(1)], "")).rejects.toThrow()
  expect(await messages(url)).toEqual(before)
})
