import { NodeRuntime } from "@effect/platform-node"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import { Layer } from "effect"
import { broker, database, environment } from "./Environment.js"
import { writerSchema } from "./Messages.js"

const { DATABASE_URL, BROKER_URL } = environment()

Relay.layer({ batchSize: 50 }).pipe(
  Layer.provide(Outbox.layer),
  Layer.provide(broker(BROKER_URL)),
  Layer.provide(database(DATABASE_URL, [writerSchema])),
  Layer.launch,
  NodeRuntime.runMain,
)
