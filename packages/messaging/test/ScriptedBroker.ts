import { Broker, BrokerUnavailable, type PartitionBatch } from "@tandem/messaging/Broker"
import type { OutgoingMessage, ReceivedMessage } from "@tandem/messaging/Message"
import { Deferred, Effect, Layer, Queue, Ref, Stream } from "effect"
import { isNonEmptyReadonlyArray } from "effect/Array"

/** A broker whose every step the test decides, for what a real one does only by chance. */
export interface Script {
  /** Everything that was published, in order. */
  readonly published: Ref.Ref<ReadonlyArray<OutgoingMessage>>
  /** What happens to the next publish calls: "fail" before storing, "lose-ack" after. */
  readonly faults: Ref.Ref<ReadonlyArray<"fail" | "lose-ack" | "ok">>
  /** Runs in front of every publish. */
  readonly beforePublish: Ref.Ref<Effect.Effect<void>>
  /**
   * Hands a batch to the subscriber; the effect inside completes when it is acknowledged. `behind` is how many messages the broker
   * has after it; 0 when absent.
   */
  readonly deliver: (
    messages: ReadonlyArray<ReceivedMessage>,
    options?: { readonly behind: number },
  ) => Effect.Effect<Effect.Effect<void>>
}

export const scripted = Effect.gen(function* () {
  const published = yield* Ref.make<ReadonlyArray<OutgoingMessage>>([])
  const faults = yield* Ref.make<ReadonlyArray<"fail" | "lose-ack" | "ok">>([])
  const beforePublish = yield* Ref.make<Effect.Effect<void>>(Effect.void)
  const batches = yield* Queue.unbounded<PartitionBatch>()
  const unavailable = new BrokerUnavailable({ operation: "publish", cause: new Error("scripted") })
  const script: Script = {
    published,
    faults,
    beforePublish,
    deliver: (messages, { behind } = { behind: 0 }) =>
      Effect.gen(function* () {
        const acknowledged = yield* Deferred.make<void>()
        if (!isNonEmptyReadonlyArray(messages)) return Effect.void
        yield* Queue.offer(batches, {
          topic: messages[0].topic,
          partition: messages[0].partition,
          messages,
          highWatermark: (messages.at(-1)?.offset ?? 0n) + BigInt(behind) + 1n,
          acknowledge: Effect.asVoid(Deferred.succeed(acknowledged, undefined)),
        })
        return Deferred.await(acknowledged)
      }),
  }
  const layer = Layer.succeed(
    Broker,
    Broker.of({
      ensureTopics: () => Effect.void,
      ping: Effect.void,
      publish: (messages) =>
        Effect.gen(function* () {
          yield* Effect.flatten(Ref.get(beforePublish))
          const fault = yield* Ref.modify(faults, ([first, ...rest]) => [first ?? "ok", rest])
          if (fault === "fail") return yield* unavailable
          yield* Ref.update(published, (all) => [...all, ...messages])
          if (fault === "lose-ack") return yield* unavailable
        }),
      subscribe: () => Stream.fromQueue(batches),
    }),
  )
  return { script, layer }
})

let offset = 0n

/** A message as a broker delivers it, at the next offset. */
export const received = (value: string, overrides: Partial<ReceivedMessage> = {}): ReceivedMessage => ({
  topic: "things",
  partition: 0,
  offset: offset++,
  timestamp: 0,
  key: new TextEncoder().encode("k"),
  value: new TextEncoder().encode(value),
  headers: {},
  ...overrides,
})
