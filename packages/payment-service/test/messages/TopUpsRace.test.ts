import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { paymentRequestsTopic, topics } from "@tandem/contracts/messages/Topics"
import { Broker } from "@tandem/messaging/Broker"
import { nextId } from "@tandem/messaging/Ids"
import * as MemoryBroker from "@tandem/messaging/MemoryBroker"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Effect, Layer } from "effect"
import { expect } from "vitest"
import { paymentRequests } from "../../src/messages/PaymentMessages.js"
import { PaymentRequestsConsumer } from "../../src/messages/PaymentRequestsConsumer.js"
import { ask, service } from "../http/server.js"
import { balanced, imbalance } from "../sql/database.js"
import { fund } from "../sql/ledger.js"
import { until } from "../until.js"

/** The whole service but its relay: HTTP and consumer over one database. */
const running = PaymentRequestsConsumer.pipe(
  Layer.provide(HealthChecks.layer),
  Layer.provideMerge(
    Layer.tap(MemoryBroker.layer, (context) =>
      Effect.flatMap(Broker, (broker) => broker.ensureTopics(topics)).pipe(Effect.provide(context)),
    ),
  ),
  Layer.provideMerge(service),
)

const orders = 150

describe("top-ups over HTTP and settlements of one account", () => {
  it.scopedLive(
    "do not starve each other: every order is settled while the top-ups never end, and none is refused",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const broker = yield* Broker
        yield* fund("a", orders)
        const settled = Effect.map(sql<{ n: number }>`SELECT count(*)::integer AS n FROM payments`, ([row]) => row?.n)
        let placed = 0
        const place = Effect.gen(function* () {
          const command = new PaymentRequested({ orderId: yield* nextId, userId: "a", amount: 1 })
          yield* broker.publish([yield* paymentRequests.encode(paymentRequestsTopic, "a", command)])
          placed++
        })
        let topUps = 0
        const refused: Array<number> = []
        const client = Effect.gen(function* () {
          const { status } = yield* ask("POST", "/accounts?userId=a&amount=1")
          if (status === 200) topUps++
          else refused.push(status)
        })
        const done = Effect.map(settled, (n) => n === orders)
        const funding = Effect.replicateEffect(Effect.repeat(client, { until: () => placed === orders && done }), 6, {
          concurrency: "unbounded",
          discard: true,
        })
        yield* Effect.all([funding, Effect.replicateEffect(place, orders, { discard: true }), until(done)], {
          concurrency: 3,
        })
        expect(refused).toEqual([])
        const rows = yield* sql<{ balance: string }>`
        SELECT balance, (SELECT count(*)::integer FROM payments WHERE status = 'SUCCEEDED') AS paid,
          (SELECT count(*)::integer FROM dead_letters) AS dead
        FROM accounts`
        expect(rows).toEqual([{ balance: String(topUps), paid: orders, dead: 0 }])
        expect(yield* imbalance).toEqual(balanced)
      }).pipe(Effect.provide(running)),
  )
})
