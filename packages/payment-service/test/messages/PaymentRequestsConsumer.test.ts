import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { PaymentCancellationRequested } from "@tandem/contracts/messages/PaymentCancellationRequested"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import { type PaymentRequest, paymentRequestsTopic, topics } from "@tandem/contracts/messages/Topics"
import { Broker } from "@tandem/messaging/Broker"
import { nextId } from "@tandem/messaging/Ids"
import * as MemoryBroker from "@tandem/messaging/MemoryBroker"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { Outbox } from "@tandem/messaging/Outbox"
import { transaction } from "@tandem/messaging/Transaction"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Deferred, Effect, Either, Fiber, Layer } from "effect"
import { expect } from "vitest"
import { paymentRequests, paymentResults } from "../../src/messages/PaymentMessages.js"
import { PaymentRequestsConsumer } from "../../src/messages/PaymentRequestsConsumer.js"
import { balanced, database, imbalance } from "../sql/database.js"
import { fund } from "../sql/ledger.js"
import { someoneWaits, until } from "../until.js"

/** The consumer on a database of its own, its answers left in the outbox. */
const running = PaymentRequestsConsumer.pipe(
  Layer.provide(Outbox.layer),
  Layer.provideMerge(HealthChecks.layer),
  Layer.provideMerge(
    Layer.tap(MemoryBroker.layer, (context) =>
      Effect.flatMap(Broker, (broker) => broker.ensureTopics(topics)).pipe(Effect.provide(context)),
    ),
  ),
  Layer.provideMerge(database),
)

const request = (userId: string, amount: number) =>
  Effect.map(nextId, (orderId) => new PaymentRequested({ orderId, userId, amount }))

const encoded = (command: PaymentRequest) => paymentRequests.encode(paymentRequestsTopic, command.userId, command)

const publish = (...messages: ReadonlyArray<OutgoingMessage>) =>
  Effect.flatMap(Broker, (broker) => broker.publish(messages))

const say = (...commands: ReadonlyArray<PaymentRequest>) =>
  Effect.flatMap(Effect.forEach(commands, encoded), (messages) => publish(...messages))

const count = (table: "inbox_events" | "outbox_events" | "payments" | "dead_letters") =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ n: number }>`SELECT count(*)::integer AS n FROM ${sql(table)}`
    return rows[0]?.n ?? 0
  })

const answers = (n: number) =>
  Effect.gen(function* () {
    yield* until(Effect.map(count("outbox_events"), (there) => there >= n))
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ topic: string; key: string; value: Buffer; headers: Record<string, string> }>`
      SELECT topic, key, value, headers FROM outbox_events ORDER BY id`
    return yield* Effect.forEach(rows, (row) =>
      Effect.map(
        Either.mapBoth(paymentResults.decode({ ...row, key: null, partition: 0, offset: 0n, timestamp: 0 }), {
          onLeft: (fault) => new Error(fault.message),
          onRight: ({ payload }) => payload,
        }),
        (payload) => ({ topic: row.topic, key: row.key, payload }),
      ),
    )
  })

const balanceOf = (userId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ balance: string; version: string }>`
      SELECT balance, version FROM accounts WHERE user_id = ${userId}`
    return rows[0]
  })

describe("the consumer of payment requests", () => {
  it.scopedLive("settles what it is asked and answers each once, under the user's key", () =>
    Effect.gen(function* () {
      yield* fund("a", 100)
      const one = yield* request("a", 60)
      const two = yield* request("b", 5)
      const cancel = new PaymentCancellationRequested({ ...one, reason: "CancelledByUser" })
      const first = yield* encoded(one)
      yield* publish(first)
      yield* answers(1)
      yield* publish(first, first)
      yield* say(two, cancel)
      const said = yield* answers(3)
      expect(said.map(({ topic, key, payload }) => [topic, key, payload._tag]).toSorted()).toEqual([
        ["payment-results", "a", "PaymentRefunded"],
        ["payment-results", "a", "PaymentSucceeded"],
        ["payment-results", "b", "PaymentDeclined"],
      ])
      expect(said[0]?.payload).toMatchObject({ ...one, _tag: "PaymentSucceeded", balanceAfter: 40 })
      expect(yield* count("inbox_events")).toBe(3)
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(running)),
  )

  it.scopedLive("repeats the recorded answer to a new message about a decided order", () =>
    Effect.gen(function* () {
      yield* fund("a", 100)
      const one = yield* request("a", 60)
      yield* say(one)
      yield* answers(1)
      yield* fund("a", 1_000)
      yield* say(one)
      const [first, second] = yield* answers(2)
      expect(second).toEqual(first)
      expect(yield* balanceOf("a")).toEqual({ balance: "1040", version: "3" })
    }).pipe(Effect.provide(running)),
  )

  it.scopedLive("sets aside what is impossible or unreadable, outside of the inbox and unanswered, and goes on", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* fund("a", 100)
      const one = yield* request("a", 60)
      const refund = new RefundRequested({ ...(yield* request("a", 1)), reason: "RefundedByUser" })
      yield* say(one, new PaymentRequested({ ...one, amount: 61 }), refund)
      yield* publish({ topic: paymentRequestsTopic, key: "a", value: new TextEncoder().encode("{"), headers: {} })
      yield* say(yield* request("a", 1))
      expect((yield* answers(2)).map(({ payload }) => payload._tag)).toEqual(["PaymentSucceeded", "PaymentSucceeded"])
      const letters = yield* sql<{ error: string }>`SELECT error FROM dead_letters ORDER BY message_offset`
      expect(letters.map(({ error }) => error)).toEqual([
        "PaymentRequested for another user or amount than is recorded",
        "RefundRequested for an order that nothing is known of",
        "the value is not JSON in UTF-8",
      ])
      expect(yield* count("inbox_events")).toBe(2)
      expect(yield* balanceOf("a")).toMatchObject({ balance: "39" })
      yield* until(
        Effect.map((yield* HealthChecks).readiness, (checks) => checks["payment-requests consumer"] === true),
      )
    }).pipe(Effect.provide(running)),
  )

  it.scopedLive("decides again, on the new balance, when a top-up comes between its reading and its writing", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* fund("a", 100)
      const held = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      const between = yield* Effect.fork(
        transaction(
          fund("a", 7).pipe(
            Effect.zipRight(Deferred.succeed(held, undefined)),
            Effect.zipRight(Deferred.await(commit)),
          ),
        ),
      )
      yield* Deferred.await(held)
      const one = yield* request("a", 60)
      yield* say(one)
      yield* someoneWaits
      yield* Deferred.succeed(commit, undefined)
      yield* Fiber.join(between)
      const said = yield* answers(1)
      expect(said.map(({ payload }) => payload)).toMatchObject([{ _tag: "PaymentSucceeded", balanceAfter: 47 }])
      expect(yield* balanceOf("a")).toEqual({ balance: "47", version: "3" })
      expect(yield* sql`SELECT kind FROM transfers ORDER BY account_version`).toEqual([
        { kind: "topup" },
        { kind: "topup" },
        { kind: "payment" },
      ])
      expect(yield* imbalance).toEqual(balanced)
      expect(yield* count("dead_letters")).toBe(0)
    }).pipe(Effect.provide(running)),
  )

  it.scopedLive("leaves nothing behind while its answer cannot be written, and everything once it can", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* fund("a", 100)
      // A sequence is not rolled back, so it counts the tries.
      yield* sql`CREATE SEQUENCE tries`
      yield* sql`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM nextval('tries');
        RAISE EXCEPTION 'not now' USING ERRCODE = '40001';
      END $$`
      yield* sql`CREATE TRIGGER refuse BEFORE INSERT ON outbox_events EXECUTE FUNCTION refuse()`
      yield* say(yield* request("a", 60), yield* request("a", 60))
      yield* until(
        Effect.map(
          sql<{ last: string | null }>`SELECT pg_sequence_last_value('tries') AS last`,
          (rows) => Number(rows[0]?.last ?? 0) >= 3,
        ),
      )
      const written = { payments: yield* count("payments"), inbox: yield* count("inbox_events") }
      expect(written).toEqual({ payments: 0, inbox: 0 })
      expect(yield* balanceOf("a")).toEqual({ balance: "100", version: "1" })
      yield* sql`DROP TRIGGER refuse ON outbox_events`
      expect((yield* answers(2)).map(({ payload }) => payload._tag)).toEqual(["PaymentSucceeded", "PaymentDeclined"])
      expect(yield* balanceOf("a")).toEqual({ balance: "40", version: "2" })
      expect(yield* count("dead_letters")).toBe(0)
    }).pipe(Effect.provide(running)),
  )
})
