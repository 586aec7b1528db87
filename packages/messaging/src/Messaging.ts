import type { SqlClient } from "@effect/sql"
import { Layer } from "effect"
import type { Broker, TopicSpec } from "./Broker.js"
import { Outbox } from "./Outbox.js"
import * as Relay from "./Relay.js"
import * as Topics from "./Topics.js"

/** What a service sends to and how. */
export interface MessagingOptions extends Relay.RelayOptions {
  /** Made when they are missing, in the background. */
  readonly topics: ReadonlyArray<TopicSpec>
}

/**
 * What every service that sends messages needs: an `Outbox`, the `Relay` that publishes it, and the topics. Over the service's own
 * `SqlClient`, whose database has the tables of `messagingSchema`.
 */
export const layer = (options: MessagingOptions): Layer.Layer<Outbox, never, Broker | SqlClient.SqlClient> =>
  Layer.merge(Relay.layer(options), Topics.layer(options.topics)).pipe(Layer.provideMerge(Outbox.layer))
