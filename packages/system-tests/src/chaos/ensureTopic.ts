import { Broker } from "@tandem/messaging/Broker"
import { Effect, Schedule } from "effect"
import { broker } from "./Environment.js"

/** Makes the topic, as soon as the broker can. */
export const ensureTopic = (brokerUrl: string, topic: string): Promise<void> =>
  Effect.flatMap(Broker, (service) => service.ensureTopics([{ name: topic, partitions: 8 }])).pipe(
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.timeout("60 seconds"),
    Effect.provide(broker(brokerUrl)),
    Effect.runPromise,
  )
