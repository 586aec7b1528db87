import { describe, it } from "@effect/vitest"
import * as CloudEvents from "@tandem/messaging/CloudEvents"
import * as Consumer from "@tandem/messaging/Consumer"
import * as Metrics from "@tandem/messaging/Metrics"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import { Effect, Layer, Metric, Option, Ref, Schema, Tracer } from "effect"
import { expect } from "vitest"
import { database, until } from "./database.js"
import { received, scripted } from "./ScriptedBroker.js"

class Thing extends Schema.TaggedClass<Thing>()("Thing", { name: Schema.String }) {}

const events = CloudEvents.make({ source: "/test", schema: Thing })

const layer = Layer.provideMerge(Outbox.layer, database)

const counted = (metric: Metric.Metric.Counter<number>, label: string, value: string) =>
  Effect.map(Metric.value(Metric.tagged(metric, label, value)), ({ count }) => count)

const encoded = (name: string) =>
  Effect.map(events.encode("things", "k", new Thing({ name })), ({ value }) =>
    new TextDecoder().decode(value ?? undefined),
  )

/** A tracer that keeps what it made. */
const collecting = Effect.gen(function* () {
  const spans: Array<Tracer.Span> = []
  const made = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const span: Tracer.Span = {
        _tag: "Span",
        name,
        spanId: (spans.length + 1).toString(16).padStart(16, "0"),
        traceId: "a".repeat(32),
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes,
        links,
        sampled: true,
        kind,
        end: () => undefined,
        attribute: (key, value) => void attributes.set(key, value),
        event: () => undefined,
        addLinks: () => undefined,
      }
      spans.push(span)
      return span
    },
    context: (run) => run(),
  })
  return { spans, layer: Layer.setTracer(made) }
})

describe("Metrics", () => {
  it.scopedLive("count a consumer's messages, duplicates, retries, dead letters and lag", () =>
    Effect.gen(function* () {
      const { script, layer: broker } = yield* scripted
      const failures = yield* Ref.make(1)
      yield* Consumer.make({
        name: "measured",
        topics: ["things"],
        decode: events.decode,
        handler: () =>
          Effect.flatMap(
            Ref.getAndUpdate(failures, (left) => left - 1),
            (left) => (left > 0 ? Effect.fail("not yet") : Effect.succeed(Consumer.handled)),
          ),
      }).pipe(Effect.provide(broker))
      const once = yield* encoded("once")
      const batch = [once, once, "unreadable"].map((value) => received(value))
      yield* Effect.flatten(script.deliver(batch, { behind: 7 }))
      expect(yield* counted(Metrics.consumed, "consumer", "measured")).toBe(3)
      expect(yield* counted(Metrics.duplicates, "consumer", "measured")).toBe(1)
      expect(yield* counted(Metrics.deadLetters, "consumer", "measured")).toBe(1)
      expect(yield* counted(Metrics.retries, "consumer", "measured")).toBe(1)
      const lag = Metrics.consumerLag.pipe(
        Metric.tagged("consumer", "measured"),
        Metric.tagged("topic", "things"),
        Metric.tagged("partition", "0"),
      )
      yield* until(Effect.map(Metric.value(lag), ({ value }) => value === 7))
      const { count, max } = yield* Metric.value(Metric.tagged(Metrics.consumeBatchSize, "consumer", "measured"))
      expect([count, max]).toEqual([1, 3])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("tell how much waits in the outbox, for how long, and what fails, while the broker is away", () =>
    Effect.gen(function* () {
      const { script, layer: broker } = yield* scripted
      yield* Ref.set(
        script.faults,
        Array.from({ length: 10_000 }, () => "fail" as const),
      )
      const outbox = yield* Outbox
      const message = yield* events.encode("waiting-things", "k", new Thing({ name: "waits" }))
      yield* Outbox.transaction(outbox.add([message, message, message]))
      const failedBefore = (yield* Metric.value(Metrics.publishFailures)).count
      yield* Layer.build(Layer.provide(Relay.layer(), broker))
      yield* until(Effect.map(Metric.value(Metrics.outboxDepth), ({ value }) => value === 3))
      yield* until(Effect.map(Metric.value(Metrics.outboxOldestAge), ({ value }) => value > 0))
      yield* until(Effect.map(Metric.value(Metrics.publishFailures), ({ count }) => count >= failedBefore + 2))
      yield* Ref.set(script.faults, [])
      yield* until(Effect.map(counted(Metrics.published, "topic", "waiting-things"), (count) => count === 3))
      yield* until(Effect.map(Metric.value(Metrics.outboxDepth), ({ value }) => value === 0))
    }).pipe(Effect.provide(layer)),
  )
})

describe("Spans", () => {
  it.scopedLive("lead from the batch that is processed to those who sent its messages", () =>
    Effect.gen(function* () {
      const { spans, layer: tracer } = yield* collecting
      const { script, layer: broker } = yield* scripted
      const sender = { traceId: "1".repeat(32), spanId: "2".repeat(16) }
      const value = yield* Effect.withParentSpan(encoded("traced"), Tracer.externalSpan({ ...sender, sampled: true }))
      yield* Consumer.make({
        name: "traced",
        topics: ["things"],
        decode: events.decode,
        handler: () => Effect.succeed(Consumer.handled),
      }).pipe(Effect.provide(broker), Effect.provide(tracer))
      yield* Effect.flatten(script.deliver([received(value)]))
      const span = spans.find(({ name }) => name === "process things")
      expect(span?.kind).toBe("consumer")
      expect(span?.links.map(({ span: { traceId, spanId } }) => ({ traceId, spanId }))).toEqual([sender])
      expect(span?.attributes.get("messaging.batch.message_count")).toBe(1)
      const statement = spans.find(({ name }) => name.startsWith("sql."))
      expect(statement?.traceId).toBe(span?.traceId)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("are not made where nobody collects them", () =>
    Effect.gen(function* () {
      const { script, layer: broker } = yield* scripted
      const inside = yield* Ref.make<Option.Option<Tracer.Span>>(Option.none())
      yield* Consumer.make({
        name: "untraced",
        topics: ["things"],
        decode: events.decode,
        handler: () =>
          Effect.option(Effect.currentSpan).pipe(
            Effect.flatMap((span) => Ref.set(inside, span)),
            Effect.as(Consumer.handled),
          ),
      }).pipe(Effect.provide(broker))
      yield* Effect.flatten(script.deliver([received(yield* encoded("x"))]))
      expect(Option.exists(yield* Ref.get(inside), ({ traceId }) => traceId !== "noop")).toBe(false)
    }).pipe(Effect.provide(database)),
  )
})
