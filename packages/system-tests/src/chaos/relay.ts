import { NodeRuntime } from "@effect/platform-node"
import { Outbox } from "@tandem/messaging/Outbox"
import * as Relay from "@tandem/messaging/Relay"
import { Layer } from "effect"
import { broker, database, environment } from "./Environment.js"
import { writerSchema } from "./Messages.js"

const { DATABASE_URL, BROKER_URL } = environment()

// Small batches keep it busy, so that most kills come in the middle of one.
Relay.layer({ batchSize: 20 }).pipe(
  Layer.provide(Outbox.layer),
  Layer.provide(broker(BROKER_URL)),
  Layer.provide(database(DATABASE_URL, [writerSchema])),
  Layer.launch,
  NodeRuntime.runMain,
)
