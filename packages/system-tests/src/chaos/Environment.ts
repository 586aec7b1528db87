import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import * as KafkaBroker from "@tandem/messaging-kafka/KafkaBroker"
import * as PostgresBroker from "@tandem/messaging-postgres/PostgresBroker"
import * as Database from "@tandem/service-kit/Database"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Layer, Redacted } from "effect"

/** What a process of the chaos is told, as its environment. */
export interface ChaosEnvironment {
  readonly DATABASE_URL: string
  /** `kafka://host:port` or `postgres://…` */
  readonly BROKER_URL: string
  readonly TOPIC: string
}

/** What this process was told. */
export const environment = (): ChaosEnvironment => {
  const { DATABASE_URL = "", BROKER_URL = "", TOPIC = "" } = process.env
  return { DATABASE_URL, BROKER_URL, TOPIC }
}

/** A service's database, with the timeouts that a frozen process must not outlive. */
export const database = (url: string, schemas: ReadonlyArray<MigrationNamespace> = []) =>
  Database.layer({ url: Redacted.make(url), applicationName: "chaos" }, [messagingSchema, ...schemas]).pipe(
    Layer.provide(HealthChecks.layer),
  )

/** The driver that the address asks for. */
export const broker = (url: string) =>
  url.startsWith("kafka://")
    ? KafkaBroker.layer({ client: "kafkajs", brokers: url.slice("kafka://".length).split(","), clientId: "chaos" })
    : PostgresBroker.layer({ url: Redacted.make(url) })
