import { it } from "@effect/vitest"
import { Effect, Fiber, Ref, Schedule } from "effect"
import { expect } from "vitest"
import type { ReceivedMessage } from "../Message.js"
import { type BrokerUnderTest, LeftOut, leftOut, member, message, slow, unique, until, valueOf } from "./Harness.js"

const rounds = 40

/** What holds when the broker is killed in the middle of publishing and consuming, and comes back a while later. */
export const outageConformance = (under: BrokerUnderTest): void => {
  const { restartable } = under
  const rule = "loses nothing and keeps the order of each key while the broker is killed and comes back"
  if (restartable instanceof LeftOut) {
    leftOut(rule, restartable)
    return
  }
  it.scopedLive(
    rule,
    () =>
      Effect.gen(function* () {
        const broker = yield* restartable
        const [sender, receiver] = yield* Effect.all([broker.connect, broker.connect])
        const [topic, group] = [unique("outage"), unique("group")]
        const keys = Array.from({ length: 8 }, (_, n) => `k${n}`)
        yield* Effect.retry(sender.ensureTopics([{ name: topic, partitions: 4 }]), Schedule.spaced("200 millis"))
        const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
        yield* Effect.forkScoped(member(receiver, group, topic, seen))
        // What may not have been stored is published again, all of it and from the first, as the relay does.
        const publish = (round: number) =>
          Effect.retry(
            sender.publish(keys.map((key) => message(topic, key, `${key}:${round}`))),
            Schedule.spaced("100 millis"),
          )
        const publishing = yield* Effect.fork(
          Effect.forEach(
            Array.from({ length: rounds }),
            (_, round) => Effect.zipRight(publish(round), Effect.sleep("50 millis")),
            {
              discard: true,
            },
          ),
        )
        yield* until(Effect.map(Ref.get(seen), (all) => all.length > keys.length * 3))
        yield* broker.kill
        yield* Effect.sleep("1 second")
        yield* broker.start
        yield* Fiber.join(publishing)
        const values = Effect.map(Ref.get(seen), (all) => [...new Set(all.map(valueOf))])
        yield* until(Effect.map(values, (all) => all.length === rounds * keys.length)).pipe(Effect.retry({ times: 1 }))
        for (const key of keys) {
          const mine = (yield* values).filter((value) => value.startsWith(`${key}:`))
          expect(mine).toEqual(Array.from({ length: rounds }, (_, round) => `${key}:${round}`))
        }
      }),
    slow,
  )
}
