import { BatchTooLarge, BrokerUnavailable } from "@tandem/messaging/Broker"
import { maximumMessageBytes, type OutgoingMessage } from "@tandem/messaging/Message"
import { partitionOf } from "@tandem/messaging/Partitioner"
import { Data, Effect } from "effect"
import { answeredWithin, type BrokerDatabase, type DatabaseFault, reason } from "./BrokerDatabase.js"
import * as RecordTable from "./RecordTable.js"
import * as TopicTable from "./TopicTable.js"

/** The most bytes of one statement: keys, values and headers. Beyond it a batch goes in several, in order. */
const statementBytes = 8_000_000

/** A statement ends after 10 s at the server; a server that does not even say so is given up a little later. */
const patience = "12 seconds"

class NoSuchTopic extends Data.TaggedError("NoSuchTopic")<{ readonly topic: string }> {
  override get message(): string {
    return `there is no topic ${this.topic}`
  }
}

interface Sized {
  readonly record: RecordTable.NewRecord
  readonly bytes: number
}

/** The broker's `publish`. One call at a time: another one waits. */
export const make = (database: BrokerDatabase) =>
  Effect.gen(function* () {
    const turn = yield* Effect.makeSemaphore(1)
    const utf8 = new TextEncoder()
    // A topic's partitions never change, so that they are asked for once, and again after a fault: the database may be a new one.
    const partitions = new Map<string, number>()
    const nextOf = new Map<string, number>()

    const learn = (topics: ReadonlySet<string>) =>
      Effect.gen(function* () {
        const unknown = [...topics].filter((topic) => !partitions.has(topic))
        if (unknown.length === 0) return
        const found = yield* database.run(TopicTable.partitions(database.sql, unknown))
        for (const [topic, count] of found) partitions.set(topic, count)
        const missing = unknown.find((topic) => !found.has(topic))
        if (missing !== undefined) return yield* new NoSuchTopic({ topic: missing })
      })

    /** Messages without a key take turns. */
    const place = (topic: string, key: string | null): number => {
      const count = partitions.get(topic) ?? 1
      if (key !== null) return partitionOf(key, count)
      const next = nextOf.get(topic) ?? 0
      nextOf.set(topic, (next + 1) % count)
      return next
    }

    const sized = (message: OutgoingMessage): Sized => {
      const { topic, key, value, headers } = message
      const record = {
        topic,
        partition: place(topic, key),
        key: key === null ? null : utf8.encode(key),
        value,
        headers,
      }
      return { record, bytes: sizeOf(message) }
    }

    const publish = (messages: ReadonlyArray<OutgoingMessage>) =>
      Effect.gen(function* () {
        yield* learn(new Set(messages.map(({ topic }) => topic)))
        for (const records of statements(messages.map(sized))) {
          yield* database.run(RecordTable.append(database.sql, records))
        }
      }).pipe(
        answeredWithin(patience),
        Effect.tapError(() => Effect.sync(() => partitions.clear())),
        Effect.mapError(
          (fault: DatabaseFault | Error) => new BrokerUnavailable({ operation: "publish", cause: reason(fault) }),
        ),
      )

    return (messages: ReadonlyArray<OutgoingMessage>): Effect.Effect<void, BrokerUnavailable | BatchTooLarge> => {
      if (messages.length === 0) return Effect.void
      return messages.some((message) => sizeOf(message) > maximumMessageBytes)
        ? Effect.fail(new BatchTooLarge({ messages: messages.length }))
        : turn.withPermits(1)(publish(messages))
    }
  })

const sizeOf = ({ key, value, headers }: OutgoingMessage): number =>
  (value?.byteLength ?? 0) + Buffer.byteLength(key ?? "") + Buffer.byteLength(JSON.stringify(headers))

const statements = (all: ReadonlyArray<Sized>): ReadonlyArray<ReadonlyArray<RecordTable.NewRecord>> => {
  const parts: Array<Array<RecordTable.NewRecord>> = []
  let room = 0
  for (const { record, bytes } of all) {
    const last = parts.at(-1)
    if (last === undefined || bytes > room) {
      parts.push([record])
      room = statementBytes - bytes
    } else {
      last.push(record)
      room -= bytes
    }
  }
  return parts
}
