import { Clock, Context, Data, Effect, Either, Option, Schema, Tracer } from "effect"
import { nextId } from "./Ids.js"
import type { OutgoingMessage, ReceivedMessage } from "./Message.js"

/** The message's bytes do not say what the contract says they must. It is set aside; trying again cannot help. */
export class UnreadableMessage extends Data.TaggedError("UnreadableMessage")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/** What a message says, and the id under which an inbox knows it. */
export interface Decoded<A> {
  /** Unique for ever: the same id is the same message, however often it arrives. */
  readonly id: string
  readonly payload: A
  /** W3C trace context of whoever sent it. */
  readonly traceparent?: string
}

/** What a message says beside its payload. */
export interface Stamp {
  /** Unique for ever: see `nextId`. */
  readonly id: string
  /** RFC 3339, UTC. */
  readonly time: string
  /** W3C trace context of whoever sends it; see {@link traceparentOf}. */
  readonly traceparent?: string | undefined
}

/** A union of tagged messages in CloudEvents 1.0, Kafka's structured mode: one header, the whole event as JSON in the value. */
export interface CloudEvents<A, I = A> {
  /** One message under a new id, carrying the current span's trace context. */
  readonly encode: (topic: string, key: string, payload: A) => Effect.Effect<OutgoingMessage>
  /** The same as a plain function, for many at once: of a payload that is known to fit and is as the schema encodes it. Checks nothing. */
  readonly stamped: (topic: string, key: string, encoded: I, stamp: Stamp) => OutgoingMessage
  /** Reads a message; unknown fields are ignored, so a newer producer does not break an older consumer. */
  readonly decode: (message: ReceivedMessage) => Either.Either<Decoded<A>, UnreadableMessage>
}

const headers = { "content-type": "application/cloudevents+json" }

const Envelope = Schema.Struct({
  specversion: Schema.Literal("1.0"),
  id: Schema.NonEmptyString,
  type: Schema.NonEmptyString,
  traceparent: Schema.optional(Schema.String),
  data: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
})

const decodeEnvelope = Schema.decodeUnknownEither(Envelope)

/** W3C trace context of the current span, as `traceparent` wants it; none outside of a span, and for one that is switched off. */
const traceparent = (context: Context.Context<never>): string | undefined =>
  traceparentOf(Option.getOrUndefined(Context.getOption(context, Tracer.ParentSpan)))

/**
 * The codec for a service's messages. `source` is the CloudEvents attribute that names the producer, such as
 * `/tandem/order-service`; the event's `type` is the payload's `_tag`, its `data` the payload's other fields.
 */
export const make = <A extends { readonly _tag: string }, I>(options: {
  readonly source: string
  readonly schema: Schema.Schema<A, I>
}): CloudEvents<A, I> => {
  const encodePayload = Schema.encodeSync(options.schema)
  const decodePayload = Schema.decodeUnknownEither(options.schema)
  const utf8 = new TextDecoder("utf-8", { fatal: true })

  const stamped = (topic: string, key: string, encoded: I, { id, time, traceparent }: Stamp) => {
    const { _tag, ...data } = encoded as { readonly _tag: string }
    const event = {
      specversion: "1.0",
      id,
      source: options.source,
      type: _tag,
      time,
      datacontenttype: "application/json",
      traceparent,
      data,
    }
    // A small Buffer is a piece of a pool, and no memory of its own.
    return { topic, key, value: Buffer.from(JSON.stringify(event)), headers }
  }

  return {
    stamped,
    encode: (topic, key, payload) =>
      Effect.flatMap(nextId, (id) =>
        // One step, for this runs for every message that a service sends.
        Effect.withFiberRuntime(({ currentContext, currentDefaultServices }) => {
          const now = Context.get(currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis()
          const stamp = { id, time: new Date(now).toISOString(), traceparent: traceparent(currentContext) }
          return Effect.succeed(stamped(topic, key, encodePayload(payload), stamp))
        }),
      ),
    decode: (message) => {
      if (message.value === null) return Either.left(new UnreadableMessage({ reason: "the message has no value" }))
      const value = message.value
      return Either.try({
        try: () => JSON.parse(utf8.decode(value)) as unknown,
        catch: () => new UnreadableMessage({ reason: "the value is not JSON in UTF-8" }),
      }).pipe(
        Either.flatMap((json) =>
          Either.mapLeft(
            decodeEnvelope(json),
            (error) => new UnreadableMessage({ reason: `not a CloudEvent 1.0: ${error.message}` }),
          ),
        ),
        Either.flatMap((event) =>
          Either.mapBoth(decodePayload({ ...event.data, _tag: event.type }), {
            onLeft: (error) =>
              new UnreadableMessage({ reason: `${event.type} does not fit its schema: ${error.message}` }),
            onRight: (payload): Decoded<A> =>
              event.traceparent === undefined
                ? { id: event.id, payload }
                : { id: event.id, payload, traceparent: event.traceparent },
          }),
        ),
      )
    },
  }
}

/** W3C trace context of whoever runs this, as a {@link Stamp} wants it. */
export const currentTraceparent: Effect.Effect<string | undefined> = Effect.map(Effect.context<never>(), traceparent)

/** W3C trace context of a span, as a {@link Stamp} wants it. */
export const traceparentOf = (span: Tracer.AnySpan | undefined): string | undefined =>
  // Where tracing is disabled Effect puts a span whose ids are no ids.
  span !== undefined && span.traceId.length === 32
    ? `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
    : undefined

/** The span that a `traceparent` names, for linking; none when the text is not one. */
export const externalSpan = (text: string): Option.Option<Tracer.ExternalSpan> => {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text)
  if (match?.[1] === undefined || match[2] === undefined || match[3] === undefined) return Option.none()
  const sampled = (Number.parseInt(match[3], 16) & 1) === 1
  return Option.some(Tracer.externalSpan({ traceId: match[1], spanId: match[2], sampled }))
}
