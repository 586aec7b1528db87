import { it } from "@effect/vitest"
import { type Context, Effect, Exit, Fiber, Queue, Ref, Schedule, Scope, Stream } from "effect"
import type { Broker, PartitionBatch } from "../Broker.js"
import type { OutgoingMessage, ReceivedMessage } from "../Message.js"

/** One client of a broker. */
export type Client = Context.Tag.Service<Broker>

/** Why a driver has no part in some cases, as the end of "left out, for …". The cases are reported as skipped under this reason. */
export class LeftOut {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

/** A driver under test. */
export interface BrokerUnderTest {
  /** A client of its own, as another process would have it; all of them reach the same broker. */
  readonly connect: Effect.Effect<Client, unknown, Scope.Scope>
  /** Nothing to test it on: the suite is skipped. */
  readonly skip?: boolean
  /** Longer than the driver's session or lease, in ms: one case holds a batch for as long. */
  readonly sessionMs: number | LeftOut
  /** A broker of its own that can be ended at once, as by kill -9, and started again with its data. */
  readonly restartable: Effect.Effect<RestartableBroker, unknown, Scope.Scope> | LeftOut
  /** A broker with a client that can be cut off; `FreezableLink` makes such a client for whatever speaks TCP. */
  readonly freezable: Effect.Effect<FreezableBroker, unknown, Scope.Scope> | LeftOut
}

/** A broker that is not always there. */
export interface RestartableBroker {
  readonly connect: Effect.Effect<Client, unknown, Scope.Scope>
  readonly kill: Effect.Effect<void, unknown>
  readonly start: Effect.Effect<void, unknown>
}

/** A broker, and a client that it stops hearing from: dead, as far as the broker can tell, until it is thawed. */
export interface FreezableBroker {
  readonly connect: Effect.Effect<Client, unknown, Scope.Scope>
  readonly connectFreezable: Effect.Effect<Client, unknown, Scope.Scope>
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
}

/** The most that a case may take, in ms, on a machine that has other things to do. */
export const slow = 120_000

/** Reports cases that a driver has no part in. */
export const leftOut = (rule: string, { reason }: LeftOut): void => {
  it.skip(`${rule} (left out, for ${reason})`, () => {})
}

export const text = new TextDecoder()
export const bytes = new TextEncoder()
export const valueOf = (message: ReceivedMessage) => text.decode(message.value ?? undefined)

let names = 0
/** Every case has topics and groups of its own, so that one broker serves all of them. */
export const unique = (what: string) => `${what}-${process.pid}-${Date.now().toString(36)}-${names++}`

export const message = (topic: string, key: string | null, value: string): OutgoingMessage => ({
  topic,
  key,
  value: bytes.encode(value),
  headers: {},
})

const deadline = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.timeout(self, "40 seconds")

/** A member of a group that works as a consumer does: takes a batch, keeps what is in it, acknowledges. */
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
  deadline(Effect.repeat(condition, { until: (holds) => holds, schedule: Schedule.spaced("10 millis") }))

const inScope = <A, E>(scope: Scope.Scope, self: Effect.Effect<A, E, Scope.Scope>) => Scope.extend(self, scope)

/** Batches as they come, in the hands of the test. */
export const hold = (client: Client, group: string, topic: string, maxBatchMessages = 500) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const queue = yield* Queue.unbounded<PartitionBatch>()
    yield* client.subscribe({ group, topics: [topic], maxBatchMessages }).pipe(
      Stream.runForEach((batch) => Queue.offer(queue, batch)),
      Effect.retry(Schedule.spaced("50 millis")),
      Effect.forkScoped,
      (fork) => inScope(scope, fork),
    )
    return { next: deadline(Queue.take(queue)), queue, leave: Scope.close(scope, Exit.void) }
  })

/** Everything up to `count` messages, acknowledged, by a member that then leaves. */
export const consume = (client: Client, group: string, topic: string, count: number) =>
  Effect.gen(function* () {
    const seen = yield* Ref.make<ReadonlyArray<ReceivedMessage>>([])
    const fiber = yield* Effect.fork(member(client, group, topic, seen))
    yield* until(Effect.map(Ref.get(seen), (all) => all.length >= count))
    yield* Fiber.interrupt(fiber)
    return yield* Ref.get(seen)
  })

export const setUp = (under: BrokerUnderTest, partitions: number) =>
  Effect.gen(function* () {
    const client = yield* Effect.orDie(under.connect)
    const topic = unique("topic")
    yield* Effect.retry(client.ensureTopics([{ name: topic, partitions }]), Schedule.spaced("200 millis"))
    return { client, topic, group: unique("group") }
  })
