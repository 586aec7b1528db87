import { NodeRuntime } from "@effect/platform-node"
import { Broker } from "@tandem/messaging/Broker"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import { Context, Effect, Layer } from "effect"
import { broker, database, environment } from "./Environment.js"
import { writerSchema } from "./Messages.js"

const { DATABASE_URL, BROKER_URL } = environment()

/** The broker takes its time, so that most kills come between two steps of a batch. */
const slowed = Layer.map(broker(BROKER_URL), (context) => {
  const inner = Context.get(context, Broker)
  return Context.make(Broker, {
    ...inner,
    publish: (messages) => Effect.zipRight(Effect.sleep("60 millis"), inner.publish(messages)),
  })
})

Relay.layer({ batchSize: 200 }).pipe(
  Layer.provide(Outbox.layer),
  Layer.provide(slowed),
  Layer.provide(database(DATABASE_URL, [writerSchema])),
  Layer.launch,
  NodeRuntime.runMain,
)
