import { it } from "@effect/vitest"
import { Effect, Fiber, Queue, Ref, Stream } from "effect"
import { expect } from "vitest"
import type { PartitionBatch } from "../Broker.js"
import type { ReceivedMessage } from "../Message.js"
import {
  type BrokerUnderTest,
  consume,
  hold,
  member,
  message,
  setUp,
  slow,
  text,
  unique,
  until,
  valueOf,
} from "./Harness.js"

/** What holds for the members of a group, those that died among them. */
export const groupConformance = (under: BrokerUnderTest): void => {
  it.scopedLive(
    "has one batch of a partition with the consumer at a time, and none larger than asked for",
    () =>
      Effect.gen(function* () {
        const { client, topic, group } = yield* setUp(under, 1)
        yield* client.publish(Array.from({ length: 25 }, (_, index) => message(topic, "k", String(index))))
        const { next, queue, leave } = yield* hold(client, group, topic, 10)
        const seen: Array<string> = []
        for (const size of [10, 10, 5]) {
          const batch = yield* next
          expect(batch.messages.length).toBeLessThanOrEqual(size)
          seen.push(...batch.messages.map(valueOf))
          yield* Effect.sleep("150 millis")
          expect(yield* Queue.size(queue)).toBe(0)
          yield* batch.acknowledge
        }
        while (seen.length < 25) {
          const batch = yield* next
          seen.push(...batch.messages.map(valueOf))
          yield* batch.acknowledge
        }
        expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => String(index)))
        yield* leave
      }),
    slow,
  )

  it.scopedLive(
    "remembers what a group acknowledged and delivers again what it did not",
    () =>
      Effect.gen(function* () {
        const { client, topic, group } = yield* setUp(under, 1)
        yield* client.publish([message(topic, "k", "1"), message(topic, "k", "2")])
        const first = yield* hold(client, group, topic, 1)
        const one = yield* first.next
        yield* one.acknowledge
        const two = yield* first.next
        expect([one, two].map((batch) => batch.messages.map(valueOf))).toEqual([["1"], ["2"]])
        yield* first.leave
        const again = yield* consume(client, group, topic, 1)
        expect(again.map(valueOf)).toEqual(["2"])
        const other = yield* consume(client, unique("group"), topic, 2)
        expect(other.map(valueOf)).toEqual(["1", "2"])
      }),
    slow,
  )

  it.scopedLive(
    "shares partitions between members and loses nothing when they come and go",
    () =>
      Effect.gen(function* () {
        const { client, topic, group } = yield* setUp(under, 8)
        const other = yield* Effect.orDie(under.connect)
        const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
        const total = 1_600
        const one = yield* Effect.fork(member(client, group, topic, seen))
        const publishing = yield* Effect.fork(
          Effect.forEach(
            Array.from({ length: total / 16 }, (_, round) => round),
            (round) =>
              Effect.zipRight(
                client.publish(Array.from({ length: 16 }, (_, key) => message(topic, `k${key}`, `${key}:${round}`))),
                Effect.sleep("20 millis"),
              ),
            { discard: true },
          ),
        )
        yield* until(Effect.map(Ref.get(seen), (all) => all.length > 100))
        const two = yield* Effect.fork(member(other, group, topic, seen))
        yield* until(Effect.map(Ref.get(seen), (all) => all.length > 800))
        yield* Fiber.interrupt(one)
        yield* Fiber.join(publishing)
        yield* until(Effect.map(Ref.get(seen), (all) => new Set(all.map(valueOf)).size === total))
        yield* Fiber.interrupt(two)
        // First appearances of each key are in order, whoever had it.
        const firsts = [...new Set((yield* Ref.get(seen)).map(valueOf))]
        for (let key = 0; key < 16; key++) {
          const rounds = firsts
            .filter((value) => value.startsWith(`${key}:`))
            .map((value) => Number(value.split(":")[1]))
          expect(rounds).toEqual(Array.from({ length: total / 16 }, (_, round) => round))
        }
      }),
    slow,
  )

  it.scopedLive(
    "hears nothing of a member that has gone: its late acknowledgement moves nobody's offset",
    () =>
      Effect.gen(function* () {
        const { client, topic, group } = yield* setUp(under, 1)
        yield* client.publish(["1", "2"].map((value) => message(topic, "k", value)))
        const zombie = yield* hold(client, group, topic, 1)
        const late = yield* zombie.next
        expect(late.messages.map(valueOf)).toEqual(["1"])
        yield* zombie.leave
        const successor = yield* hold(client, group, topic, 1)
        const again = yield* successor.next
        expect(again.messages.map(valueOf)).toEqual(["1"])
        // Were it heard, the successor would be given what follows, and its own batch would count as done.
        yield* late.acknowledge
        yield* Effect.sleep("500 millis")
        expect(yield* Queue.size(successor.queue)).toBe(0)
        yield* successor.leave
        expect((yield* consume(client, group, topic, 2)).map(valueOf)).toEqual(["1", "2"])
      }),
    slow,
  )

  it.scopedLive(
    "counts a second acknowledgement of a batch for nothing",
    () =>
      Effect.gen(function* () {
        const { client, topic, group } = yield* setUp(under, 1)
        yield* client.publish(["1", "2", "3"].map((value) => message(topic, "k", value)))
        const first = yield* hold(client, group, topic, 1)
        const one = yield* first.next
        yield* one.acknowledge
        const two = yield* first.next
        yield* one.acknowledge
        yield* Effect.sleep("200 millis")
        expect(yield* Queue.size(first.queue)).toBe(0)
        expect(two.messages.map(valueOf)).toEqual(["2"])
        yield* first.leave
        expect((yield* consume(client, group, topic, 2)).map(valueOf)).toEqual(["2", "3"])
      }),
    slow,
  )

  it.scopedLive(
    "gives a batch in hand to nobody else when a member joins, and what was not acknowledged to the next one when all have left",
    () =>
      Effect.gen(function* () {
        const { client, topic, group } = yield* setUp(under, 4)
        const joining = yield* under.connect.pipe(Effect.orDie)
        const keys = Array.from({ length: 40 }, (_, n) => `k${n}`)
        yield* client.publish(keys.map((key) => message(topic, key, "1")))
        const held = yield* Ref.make<ReadonlyArray<PartitionBatch>>([])
        const holding = yield* client.subscribe({ group, topics: [topic] }).pipe(
          Stream.runForEach((batch) => Ref.update(held, (all) => [...all, batch])),
          Effect.fork,
        )
        const inHand = Effect.map(Ref.get(held), (all) => all.flatMap((batch) => [...batch.messages]))
        yield* until(Effect.map(inHand, (all) => all.length === keys.length))
        const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
        const second = yield* Effect.fork(member(joining, group, topic, seen))
        yield* Effect.sleep("1 second")
        expect(yield* Ref.get(seen)).toEqual([])
        yield* Fiber.interrupt(holding)
        yield* until(Effect.map(Ref.get(seen), (all) => all.length >= keys.length))
        yield* Fiber.interrupt(second)
        const heard = (yield* Ref.get(seen)).map((one) => text.decode(one.key ?? undefined))
        expect(heard.toSorted()).toEqual(keys.toSorted())
      }),
    slow,
  )
}
