import { Context, DefaultServices, Effect, Option, Tracer } from "effect"
import { externalSpan } from "../CloudEvents.js"

const untraced = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Whether somebody collects spans: a tracer is installed that is not Effect's own, which makes spans and forgets them. */
export const isCollected: Effect.Effect<boolean> = Effect.map(Effect.tracer, (tracer) => tracer !== untraced)

/** Makes spans only where somebody collects them: a span a statement is a tenth of the work of a batch. */
export const whenCollected = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(isCollected, (collected) => (collected ? self : Effect.withTracerEnabled(self, false)))

/** A batch names so many of its senders at most: a span is held in memory and sent whole. */
const maximumLinks = 128

/** Links to the spans that the `traceparent`s name, each once, the first 128; what is no traceparent is left out. */
export const links = (traceparents: Iterable<string>): ReadonlyArray<Tracer.SpanLink> => {
  const found: Array<Tracer.SpanLink> = []
  for (const text of new Set(traceparents)) {
    const span = externalSpan(text)
    if (Option.isSome(span)) found.push({ _tag: "SpanLink", span: span.value, attributes: {} })
    if (found.length === maximumLinks) break
  }
  return found
}
