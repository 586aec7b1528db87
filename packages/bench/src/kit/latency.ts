import { SqlClient } from "@effect/sql"
import { Broker } from "@tandem/messaging/Broker"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import { Clock, Effect, Layer, Stream } from "effect"
import { headers, key, topic, value } from "./outboxRows.js"

/** Latencies in ms. */
export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly messages: number
}

/** Where a message's number stands, so that it is found without parsing. */
const numberOf = (bytes: Uint8Array): number => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")
  return Number(/"n":(\d+)/.exec(text)?.[1])
}

/**
 * From a commit to the moment at which a consumer has the message, at a fixed rate of transactions that come whether or not the last
 * ones are through. Writer, relay and consumer are one process, as relay and writer are in a service.
 */
export const latencyAt = (perSecond: number, seconds: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const broker = yield* Broker
    const total = perSecond * seconds
    const run = yield* Clock.currentTimeMillis
    const committed = new Float64Array(total)
    const latencies: Array<number> = []
    const write = (n: number) =>
      Effect.gen(function* () {
        const row = yield* outbox.cte([
          { topic, key: key(n), value: value(n), headers: { ...headers, run: String(run) } },
        ])
        yield* sql`WITH ${row} SELECT 1`
        committed[n] = performance.now()
        yield* outbox.signal
      })
    const consume = broker.subscribe({ group: `latency-${run}`, topics: [topic] }).pipe(
      Stream.mapEffect((batch) =>
        Effect.sync(() => {
          const now = performance.now()
          for (const message of batch.messages) {
            if (message.headers["run"] !== String(run) || message.value === null) continue
            const since = committed[numberOf(message.value)]
            // Now and then a message is here before the commit's answer is.
            if (since !== undefined) latencies.push(since === 0 ? 0 : Math.max(0, now - since))
          }
        }).pipe(Effect.zipRight(batch.acknowledge)),
      ),
      Stream.takeUntil(() => latencies.length >= total),
      Stream.runDrain,
    )
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Layer.build(Relay.layer())
        const consumer = yield* Effect.forkScoped(consume)
        // The group is joined once a first message came through; the clock starts after it.
        const start = performance.now() + 1_000
        for (let sent = 0; sent < total; ) {
          const due = Math.min(total, Math.floor(((performance.now() - start) * perSecond) / 1_000))
          for (; sent < due; sent++) yield* Effect.forkScoped(write(sent))
          yield* Effect.sleep("1 millis")
        }
        yield* consumer
      }),
    )
    // The first second joins the group and warms up.
    const sorted = Float64Array.from(latencies.slice(perSecond)).sort()
    const at = (p: number) => sorted[Math.floor(sorted.length * p)] ?? Number.NaN
    return { p50: at(0.5), p99: at(0.99), messages: sorted.length } satisfies Latency
  })
