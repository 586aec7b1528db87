import { Broker } from "@tandem/messaging/Broker"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import * as RetrySchedules from "@tandem/messaging/RetrySchedules"
import { Clock, Effect, Fiber, Layer, Queue, Runtime, Stream } from "effect"
import pg from "pg"
import { headers, key, partitions, value } from "./outboxRows.js"

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

const insert = "INSERT INTO outbox_events (topic, key, value, headers) VALUES ($1, $2, $3, $4)"

/**
 * From a commit to the moment at which a consumer has the message, at a fixed rate of transactions that come whether or not the last
 * ones are through. Writer, relay and consumer are one process, as relay and writer are in a service; the writer has connections of its
 * own. Through the `driver` nobody reads the outbox: the writer publishes what it has just committed, everything that waits at a time, and
 * would lose it in a crash.
 */
export const latencyAt = (databaseUrl: string, through: "relay" | "driver", perSecond: number, seconds: number) =>
  Effect.gen(function* () {
    const outbox = yield* Outbox
    const broker = yield* Broker
    const runtime = yield* Effect.runtime()
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => new pg.Pool({ connectionString: databaseUrl, max: 8 })),
      (open) => Effect.promise(() => open.end()),
    )
    const total = perSecond * seconds
    const run = String(yield* Clock.currentTimeMillis)
    // A topic of its own, for a new group reads from the beginning.
    const own = `bench-latency-${run}`
    yield* broker.ensureTopics([{ name: own, partitions }])
    const header = JSON.stringify(headers)
    const committed = new Float64Array(total)
    const latencies: Array<number> = []
    const write = async (n: number) => {
      await pool.query({ name: "insert", text: insert, values: [own, key(n), value(n), header] })
      committed[n] = performance.now()
      if (through === "relay") Runtime.runSync(runtime)(outbox.signal)
      else waiting.unsafeOffer({ topic: own, key: key(n), value: value(n), headers })
    }
    const waiting = yield* Queue.unbounded<OutgoingMessage>()
    if (through === "relay") yield* Layer.build(Relay.layer())
    else {
      const publish = Effect.flatMap(Queue.takeBetween(waiting, 1, 1_000), (some) => broker.publish([...some]))
      yield* Effect.forkScoped(Effect.forever(publish))
    }
    const consumer = yield* broker.subscribe({ group: `latency-${run}`, topics: [own] }).pipe(
      // A topic that was made a moment ago is not known everywhere yet.
      Stream.retry(RetrySchedules.subscription),
      Stream.mapEffect((batch) =>
        Effect.sync(() => {
          const now = performance.now()
          for (const message of batch.messages) {
            if (message.value === null) continue
            const since = committed[numberOf(message.value)] ?? 0
            // Now and then a message is here before the answer to its commit is.
            latencies.push(since === 0 ? 0 : now - since)
          }
        }).pipe(Effect.zipRight(batch.acknowledge)),
      ),
      Stream.takeUntil(() => latencies.length >= total),
      Stream.runDrain,
      Effect.forkScoped,
    )
    // Time to join the group.
    const start = performance.now() + 1_500
    for (let sent = 0; sent < total; ) {
      const due = Math.min(total, Math.floor(((performance.now() - start) * perSecond) / 1_000))
      const some = Array.from({ length: Math.max(0, due - sent) }, (_, i) => sent + i)
      for (const n of some) yield* Effect.forkScoped(Effect.promise(() => write(n)))
      sent += some.length
      yield* Effect.sleep("1 millis")
    }
    yield* Fiber.join(consumer)
    if (through === "driver") yield* Effect.promise(() => pool.query("TRUNCATE outbox_events"))
    // The first second warms up.
    const sorted = Float64Array.from(latencies.slice(perSecond)).sort()
    const at = (p: number) => sorted[Math.floor(sorted.length * p)] ?? Number.NaN
    return { p50: at(0.5), p99: at(0.99), messages: sorted.length } satisfies Latency
  }).pipe(Effect.scoped)
