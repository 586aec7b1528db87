import { describe, it } from "@effect/vitest"
import * as CloudEvents from "@tandem/messaging/CloudEvents"
import { Effect, Either, Option, Schema } from "effect"
import { expect } from "vitest"
import { received } from "./ScriptedBroker.js"

class ThingMade extends Schema.TaggedClass<ThingMade>("ThingMade")("ThingMade", {
  id: Schema.String,
  at: Schema.Date,
}) {}
const events = CloudEvents.make({ source: "/things", schema: Schema.Union(ThingMade) })

const json = (value: unknown) => JSON.stringify(value)
const event = { specversion: "1.0", id: "1", source: "/x", type: "ThingMade", data: { id: "a", at: "2026-01-01" } }

describe("CloudEvents", () => {
  it.effect("reads back what it wrote, with the producer's trace", () =>
    Effect.gen(function* () {
      const made = new ThingMade({ id: "a", at: new Date(5) })
      const { span, message } = yield* Effect.withSpan(
        Effect.all({ span: Effect.currentSpan, message: events.encode("things", "a", made) }),
        "produce",
      )
      const wire = JSON.parse(new TextDecoder().decode(message.value ?? undefined))
      expect(wire).toMatchObject({ specversion: "1.0", type: "ThingMade", source: "/things", data: { id: "a" } })
      expect(message.headers).toEqual({ "content-type": "application/cloudevents+json" })
      const decoded = Either.getOrThrow(events.decode(received("", { value: message.value })))
      expect(decoded.payload).toEqual(made)
      expect(decoded.id).toBe(wire.id)
      const parent = Option.getOrThrow(CloudEvents.externalSpan(decoded.traceparent ?? ""))
      expect(parent.traceId).toBe(span.traceId)
    }),
  )

  it.effect("names no trace where tracing is switched off", () =>
    Effect.gen(function* () {
      const message = yield* events
        .encode("things", "a", new ThingMade({ id: "a", at: new Date(5) }))
        .pipe(Effect.withSpan("produce"), Effect.withTracerEnabled(false))
      expect(JSON.parse(new TextDecoder().decode(message.value ?? undefined))).not.toHaveProperty("traceparent")
    }),
  )

  it.effect("stamps an encoded payload as it writes one by itself", () =>
    Effect.gen(function* () {
      const at = new Date(5)
      const whole = yield* events.encode("things", "a", new ThingMade({ id: "a", at }))
      const { id, time } = JSON.parse(new TextDecoder().decode(whole.value ?? undefined))
      const encoded = { _tag: "ThingMade", id: "a", at: at.toISOString() } as const
      expect(events.stamped("things", "a", encoded, { id, time })).toEqual(whole)
    }),
  )

  it("ignores fields that a newer producer added", () => {
    const newer = json({ ...event, dataschema: "x", data: { ...event.data, colour: "red" } })
    expect(Either.isRight(events.decode(received(newer)))).toBe(true)
  })

  it.each([
    ["no JSON", "{"],
    ["not an event", json({ hello: 1 })],
    ["another version", json({ ...event, specversion: "0.3" })],
    ["an empty id", json({ ...event, id: "" })],
    ["an unknown type", json({ ...event, type: "ThingLost" })],
    ["data that does not fit", json({ ...event, data: { id: 7 } })],
    ["null data", json({ ...event, data: null })],
  ])("calls %s unreadable", (_, value) => {
    expect(Either.isLeft(events.decode(received(value)))).toBe(true)
  })

  it("calls bytes that are not UTF-8, and no bytes at all, unreadable", () => {
    expect(Either.isLeft(events.decode(received("", { value: new Uint8Array([0xff, 0xfe]) })))).toBe(true)
    expect(Either.isLeft(events.decode(received("", { value: null })))).toBe(true)
  })
})
