import { it } from "@effect/vitest"
import { Effect, Fiber, Queue, Ref } from "effect"
import { expect } from "vitest"
import type { ReceivedMessage } from "../Message.js"
import {
  type BrokerUnderTest,
  consume,
  hold,
  LeftOut,
  leftOut,
  member,
  message,
  setUp,
  slow,
  unique,
  until,
  valueOf,
} from "./Harness.js"

/** What holds when a member is slow, dies without a word, or was not dead after all. The cases last as long as a session. */
export const sessionConformance = (under: BrokerUnderTest): void => {
  longWork(under)
  zombie(under)
}

const longWork = (under: BrokerUnderTest): void => {
  const { sessionMs } = under
  const rule = "does not give a batch to another while its consumer works on it for long"
  if (sessionMs instanceof LeftOut) {
    leftOut(rule, sessionMs)
    return
  }
  it.scopedLive(
    rule,
    () =>
      Effect.gen(function* () {
        const { client, topic, group } = yield* setUp(under, 1)
        yield* client.publish([message(topic, "k", "1")])
        const first = yield* hold(client, group, topic)
        const batch = yield* first.next
        const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
        const other = yield* Effect.orDie(under.connect)
        const second = yield* Effect.fork(member(other, group, topic, seen))
        yield* Effect.sleep(sessionMs)
        expect((yield* Ref.get(seen)).map(valueOf)).toEqual([])
        yield* batch.acknowledge
        yield* client.publish([message(topic, "k", "2")])
        const rest = yield* Effect.fork(
          Effect.forever(
            Effect.flatMap(Queue.take(first.queue), (next) =>
              Effect.zipRight(
                Ref.update(seen, (all) => [...all, ...next.messages]),
                next.acknowledge,
              ),
            ),
          ),
        )
        yield* until(Effect.map(Ref.get(seen), (all) => all.length > 0))
        expect((yield* Ref.get(seen)).map(valueOf)).toEqual(["2"])
        yield* Fiber.interruptAll([second, rest])
        yield* first.leave
      }),
    slow,
  )
}

const zombie = (under: BrokerUnderTest): void => {
  const rule =
    "gives what a member that vanished had in hand to another and skips nothing; back again, it moves nobody's offset"
  const { freezable } = under
  if (freezable instanceof LeftOut) {
    leftOut(rule, freezable)
    return
  }
  it.scopedLive(
    rule,
    () =>
      Effect.gen(function* () {
        const broker = yield* freezable
        const [client, mortal] = yield* Effect.all([broker.connect, broker.connectFreezable])
        const [topic, group] = [unique("zombie"), unique("group")]
        yield* until(Effect.isSuccess(client.ensureTopics([{ name: topic, partitions: 1 }])))
        yield* client.publish([message(topic, "k", "1")])
        const zombie = yield* hold(mortal, group, topic)
        const first = yield* zombie.next
        yield* client.publish(["2", "3", "4"].map((value) => message(topic, "k", value)))
        yield* first.acknowledge
        const late = yield* zombie.next
        expect(late.messages.map(valueOf)).toEqual(["2", "3", "4"])
        // The offset behind "1" may have been stored by now or not; what is in hand is not.
        yield* broker.freeze
        const successor = yield* hold(client, group, topic, 1)
        let again = yield* successor.next
        if (valueOf(again.messages[0]) === "1") {
          yield* again.acknowledge
          again = yield* successor.next
        }
        expect(again.messages.map(valueOf)).toEqual(["2"])
        yield* again.acknowledge
        expect((yield* successor.next).messages.map(valueOf)).toEqual(["3"])
        yield* broker.thaw
        yield* late.acknowledge
        // Longer than offsets wait for being stored.
        yield* Effect.sleep("2 seconds")
        yield* zombie.leave
        yield* successor.leave
        expect((yield* consume(client, group, topic, 2)).map(valueOf)).toEqual(["3", "4"])
      }),
    slow,
  )
}
