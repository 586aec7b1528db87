import type { Broker } from "@tandem/messaging/Broker"
import { Effect, Layer } from "effect"
import type { KafkaBrokerOptions } from "./KafkaBrokerOptions.js"

/** The Kafka clients that there is a driver for. */
export type KafkaClient = "kafkajs" | "platformatic"

/** Broker options, and through which client. */
export interface KafkaBrokerWithClientOptions extends KafkaBrokerOptions {
  readonly client: KafkaClient
}

/** The broker on Apache Kafka through the client that is asked for: both keep the same promises and understand each other. */
export const layer = ({ client, ...options }: KafkaBrokerWithClientOptions): Layer.Layer<Broker> =>
  Layer.unwrapEffect(Effect.map(Effect.promise(drivers[client]), (driver) => driver.layer(options)))

/** Only what is asked for is loaded: each client takes 10 MB of memory. */
const drivers = {
  kafkajs: () => import("./KafkajsBroker.js"),
  platformatic: () => import("./PlatformaticBroker.js"),
} as const
