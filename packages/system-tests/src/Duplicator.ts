import { randomUUID } from "node:crypto"
import { paymentRequestsTopic, paymentResultsTopic } from "@tandem/contracts/messages/Topics"
import { Broker } from "@tandem/messaging/Broker"
import type { OutgoingMessage, ReceivedMessage } from "@tandem/messaging/Message"
import * as RetrySchedules from "@tandem/messaging/RetrySchedules"
import * as KafkajsBroker from "@tandem/messaging-kafka/KafkajsBroker"
import * as PostgresBroker from "@tandem/messaging-postgres/PostgresBroker"
import { Cause, Effect, Exit, Fiber, Stream } from "effect"

/** Copies messages on their topics for as long as it runs. */
export interface Duplicator {
  /** How many copies were published so far. */
  readonly copies: () => number
  /** Ends it; rejects when it failed meanwhile. */
  readonly stop: () => Promise<void>
}

const utf8 = new TextDecoder()
const bytes = new TextEncoder()

/** The same said under a new id: what reaches a service whose inbox has forgotten the message, or that was asked twice. */
const underNewId = (value: Uint8Array): Uint8Array => {
  const event = eventIn(value)
  return event === undefined ? value : bytes.encode(JSON.stringify({ ...event, id: randomUUID() }))
}

const eventIn = (value: Uint8Array): object | undefined => {
  try {
    return JSON.parse(utf8.decode(value))
  } catch {
    // Poison, which is copied as it is.
    return undefined
  }
}

const copyOf = ({ topic, key, value, headers }: ReceivedMessage, random: () => number): OutgoingMessage => ({
  topic,
  key: key === null ? null : utf8.decode(key),
  value: value === null || random() < 0.5 ? value : underNewId(value),
  headers,
})

/** How many messages are kept before some of them are said again, so that they come late and among others. */
const keptBack = 40

/**
 * Publishes every third message of both topics again, late and in another order, the copies themselves included: what a broker may do
 * at its worst. Half of the copies keep their id, for the inboxes to drop; the others get past them, for the saga to bear. `random`
 * gives numbers in [0, 1).
 */
export const startDuplicator = (brokerUrl: string, random: () => number): Duplicator => {
  let copies = 0
  const layer = brokerUrl.startsWith("kafka://")
    ? KafkajsBroker.layer({ brokers: brokerUrl.slice("kafka://".length).split(","), clientId: "duplicator" })
    : PostgresBroker.layer({ url: brokerUrl })
  const program = Effect.gen(function* () {
    const broker = yield* Broker
    const kept: Array<OutgoingMessage> = []
    yield* broker.subscribe({ group: "duplicator", topics: [paymentRequestsTopic, paymentResultsTopic] }).pipe(
      Stream.runForEach((batch) =>
        Effect.gen(function* () {
          for (const message of batch.messages) if (random() < 1 / 3) kept.push(copyOf(message, random))
          if (kept.length >= keptBack) {
            const again = kept.splice(0).map((message) => ({ message, place: random() }))
            yield* broker.publish(again.sort((a, b) => a.place - b.place).map(({ message }) => message))
            copies += again.length
          }
          yield* batch.acknowledge
        }),
      ),
      Effect.retry({ while: (fault) => fault._tag === "BrokerUnavailable", schedule: RetrySchedules.subscription }),
    )
  })
  const fiber = Effect.runFork(Effect.provide(program, layer))
  return {
    copies: () => copies,
    stop: async () => {
      const exit = await Effect.runPromise(Fiber.interrupt(fiber))
      if (Exit.isFailure(exit) && !Cause.isInterruptedOnly(exit.cause)) throw Cause.squash(exit.cause)
    },
  }
}
