import { randomUUID } from "node:crypto"
import { paymentRequestsTopic, paymentResultsTopic } from "@tandem/contracts/messages/Topics"
import { Broker } from "@tandem/messaging/Broker"
import type { ReceivedMessage } from "@tandem/messaging/Message"
import * as RetrySchedules from "@tandem/messaging/RetrySchedules"
import * as KafkajsBroker from "@tandem/messaging-kafka/KafkajsBroker"
import * as PostgresBroker from "@tandem/messaging-postgres/PostgresBroker"
import { Effect, ManagedRuntime, Schedule, Stream } from "effect"

/** Looks on at what passes through the broker, and puts poison into it. */
export interface Observer {
  /** The orders of each user in the order in which a request for their payment first stood in the broker. */
  readonly requested: ReadonlyMap<string, ReadonlyArray<string>>
  /** How many orders that is. */
  readonly orders: () => number
  /** Publishes something that no consumer can read to either topic; answers its mark, which stands in its bytes. */
  readonly poison: (random: () => number) => Promise<string>
  readonly stop: () => Promise<void>
}

const utf8 = new TextDecoder()

const orderOf = ({ value }: ReceivedMessage): { readonly orderId: string; readonly userId: string } | undefined => {
  try {
    const { type, data } = JSON.parse(utf8.decode(value ?? new Uint8Array()))
    return type === "PaymentRequested" ? data : undefined
  } catch {
    return undefined
  }
}

/** What is wrong with a poisonous message. */
const poisons: ReadonlyArray<(mark: string) => string> = [
  (mark) => `{"unfinished": "${mark}`,
  (mark) => JSON.stringify({ specversion: "1.0", id: mark, type: "NobodyKnowsThis", source: "/", data: { mark } }),
  (mark) => JSON.stringify({ mark }),
]

/** From now on, past every link. */
export const startObserver = (brokerUrl: string): Observer => {
  const runtime = ManagedRuntime.make(
    brokerUrl.startsWith("kafka://")
      ? KafkajsBroker.layer({ brokers: brokerUrl.slice("kafka://".length).split(","), clientId: "observer" })
      : PostgresBroker.layer({ url: brokerUrl }),
  )
  const requested = new Map<string, Array<string>>()
  const seen = new Set<string>()
  const next = new Map<number, bigint>()
  const take = (message: ReceivedMessage) => {
    // Delivered again.
    if (message.offset < (next.get(message.partition) ?? 0n)) return
    next.set(message.partition, message.offset + 1n)
    const order = orderOf(message)
    if (order === undefined || seen.has(order.orderId)) return
    seen.add(order.orderId)
    const mine = requested.get(order.userId)
    if (mine === undefined) requested.set(order.userId, [order.orderId])
    else mine.push(order.orderId)
  }
  runtime.runFork(
    Effect.flatMap(Broker, (broker) =>
      broker.subscribe({ group: "observer", topics: [paymentRequestsTopic] }).pipe(
        Stream.runForEach((batch) =>
          Effect.zipRight(
            Effect.sync(() => {
              for (const message of batch.messages) take(message)
            }),
            batch.acknowledge,
          ),
        ),
        Effect.retry({ schedule: RetrySchedules.subscription }),
      ),
    ),
  )
  return {
    requested,
    orders: () => seen.size,
    poison: async (random) => {
      const mark = `poison-${randomUUID()}`
      const value = new TextEncoder().encode((poisons[Math.floor(random() * poisons.length)] ?? String)(mark))
      const topic = random() < 0.5 ? paymentRequestsTopic : paymentResultsTopic
      const publish = Effect.flatMap(Broker, (broker) =>
        broker.publish([{ topic, key: `user-${Math.floor(random() * 10)}`, value, headers: {} }]),
      )
      await runtime.runPromise(Effect.retry(publish, Schedule.spaced("500 millis")))
      return mark
    },
    stop: () => runtime.dispose(),
  }
}
