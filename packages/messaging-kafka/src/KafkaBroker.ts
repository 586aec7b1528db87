import type { Broker } from "@tandem/messaging/Broker"
import type { Layer } from "effect"
import type { KafkaBrokerOptions } from "./KafkaBrokerOptions.js"
import * as KafkajsBroker from "./KafkajsBroker.js"
import * as PlatformaticBroker from "./PlatformaticBroker.js"

/** The Kafka clients that there is a driver for. */
export type KafkaClient = "kafkajs" | "platformatic"

/** Broker options, and through which client. */
export interface KafkaBrokerWithClientOptions extends KafkaBrokerOptions {
  readonly client: KafkaClient
}

/** The broker on Apache Kafka through the client that is asked for: both keep the same promises and understand each other. */
export const layer = ({ client, ...options }: KafkaBrokerWithClientOptions): Layer.Layer<Broker> =>
  client === "kafkajs" ? KafkajsBroker.layer(options) : PlatformaticBroker.layer(options)
