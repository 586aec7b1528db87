import { BrokerUnavailable, type PartitionBatch } from "@tandem/messaging/Broker"
import { Chunk, Effect, Queue, Stream } from "effect"
import type { Offsets } from "./Offsets.js"

/** A member that is silent for so long is dead to the group, in ms. */
export const sessionTimeout = 10_000

/** How often a member shows that it lives, also while a batch is being worked on, in ms. */
export const heartbeatInterval = 1_000

/** How long a batch in hand may hold up a rebalance, in ms. */
export const rebalanceTimeout = 60_000

/** How long a fetch waits for the first message, in ms. */
export const maximumWait = 500

/** So many batches are handed over at once. */
export const batchesAtOnce = 32

/** How often offsets are stored. */
const storeInterval = "1 second"

/** Why a subscription could not go on. */
export const subscriptionLost = (cause: unknown) => new BrokerUnavailable({ operation: "subscribe", cause })

/** Somebody with another client is in the group. Nothing that this process does can change that. */
export class ForeignMembers extends Error {
  constructor(group: string, options: ErrorOptions) {
    super(
      `the consumer group ${group} has members whose client divides partitions by another protocol: end them first, or use another group`,
      options,
    )
  }
}

/** Says so once a subscription: whoever runs the stream tries on for ever, and an operator must hear why it never comes to anything. */
export const tellOfForeignMembers = <A>(
  stream: Stream.Stream<A, BrokerUnavailable>,
): Stream.Stream<A, BrokerUnavailable> => {
  let told = false
  return Stream.tapError(stream, ({ cause }) => {
    if (told || !(cause instanceof ForeignMembers)) return Effect.void
    told = true
    return Effect.logError(cause.message)
  })
}

/** Batches on their way to the consumer. Bounded by the partitions: each has one batch out at most. */
export type BatchQueue = Queue.Queue<Effect.Effect<PartitionBatch, BrokerUnavailable>>

export const makeQueue: Effect.Effect<BatchQueue> = Queue.unbounded()

/** Until what the event loop has in hand is done. */
const turn = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/**
 * All that waits is one chunk: what several partitions brought is worked on together. One fetch brings them one after the other, so that the
 * first is not taken before the others are there: it would be a transaction of its own.
 */
export const batches = (queue: BatchQueue): Stream.Stream<PartitionBatch, BrokerUnavailable> =>
  Stream.repeatEffectChunk(
    Effect.flatMap(Queue.take(queue), (first) =>
      turn.pipe(
        Effect.zipRight(Queue.takeUpTo(queue, batchesAtOnce - 1)),
        Effect.flatMap((others) => Effect.all([first, ...others])),
        Effect.map(Chunk.unsafeFromArray),
      ),
    ),
  )

/** Stores what is acknowledged, for as long as the scope. */
export const storeBehind = (offsets: Offsets) =>
  Effect.tryPromise(() => offsets.store()).pipe(
    Effect.catchAll((fault) => Effect.logDebug("offsets were not stored, trying again", fault)),
    Effect.zipRight(Effect.sleep(storeInterval)),
    Effect.forever,
    Effect.forkScoped,
  )

/**
 * The members of a group agree on how they divide its partitions by the name of a protocol; a broker refuses a member that does
 * not know it (error 23). Both drivers use this one, so that they may share a group.
 */
export const assignmentProtocol = "RoundRobinAssigner"
