import type { Broker } from "@tandem/messaging/Broker"
import type { OutgoingMessage, ReceivedMessage } from "@tandem/messaging/Message"
import { type Context, Effect, Fiber, Ref, Schedule, Stream } from "effect"

type Client = Context.Tag.Service<Broker>

const text = new TextDecoder()
const bytes = new TextEncoder()

let names = 0
/** Topics and groups of its own for every case, so that one broker serves all of them. */
export const unique = (what: string) => `${what}-${process.pid}-${Date.now().toString(36)}-${names++}`

export const message = (topic: string, key: string, value: string): OutgoingMessage => ({
  topic,
  key,
  value: bytes.encode(value),
  headers: { "content-type": "text/plain" },
})

export const keyOf = (one: ReceivedMessage) => text.decode(one.key ?? undefined)
export const valueOf = (one: ReceivedMessage) => text.decode(one.value ?? undefined)

/** A member that acknowledges what it keeps, and joins anew for ever, as a consumer does. */
export const member = (client: Client, group: string, topic: string, seen: Ref.Ref<ReadonlyArray<ReceivedMessage>>) =>
  client.subscribe({ group, topics: [topic], maxBatchMessages: 50 }).pipe(
    Stream.runForEach((batch) =>
      Effect.uninterruptible(
        Effect.zipRight(
          Ref.update(seen, (all) => [...all, ...batch.messages]),
          batch.acknowledge,
        ),
      ),
    ),
    Effect.retry(Schedule.spaced("50 millis")),
  )

export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("60 seconds"),
  )

/** Everything up to `count` messages, by a member that then leaves. */
export const consume = (client: Client, group: string, topic: string, count: number) =>
  Effect.gen(function* () {
    const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
    const fiber = yield* Effect.fork(member(client, group, topic, seen))
    yield* until(Effect.map(Ref.get(seen), (all) => all.length >= count))
    yield* Fiber.interrupt(fiber)
    return yield* Ref.get(seen)
  })
