import { expect, it } from "@effect/vitest"
import { variables } from "@tandem/service-kit/ConfigTable"
import * as ServiceConfig from "@tandem/service-kit/ServiceConfig"
import { LoggingConfig } from "@tandem/service-kit/telemetry/Logging"
import { Config, Duration } from "effect"

it("the table of a service's variables comes from the Config that reads them", () => {
  const config = Config.all({
    service: ServiceConfig.make({ port: 8081, corsOrigins: ["http://127.0.0.1:8080", "http://localhost:8080"] }),
    patience: Config.duration("PATIENCE").pipe(Config.withDefault(Duration.minutes(90))),
    feature: Config.url("FEATURE_URL").pipe(Config.withDefault(new URL("http://feature.test"))),
    logging: LoggingConfig,
  })
  const table = variables(config)
  expect(table.map(({ name, standard }) => [name, standard])).toEqual([
    ["PORT", "8081"],
    ["HOST", "127.0.0.1"],
    ["AUTH", "none"],
    ["AUTH_JWKS_URL", "none"],
    ["AUTH_ISSUER", "none"],
    ["AUTH_AUDIENCE", "none"],
    ["AUTH_ALGORITHMS", "RS256,ES256,EdDSA"],
    ["RATE_LIMIT", "none"],
    ["DATABASE_URL", undefined],
    ["DATABASE_POOL_SIZE", "10"],
    ["BROKER_URL", undefined],
    ["KAFKA_CLIENT", "kafkajs"],
    ["INBOX_RETENTION", "35 days"],
    ["CORS_ORIGINS", "http://127.0.0.1:8080,http://localhost:8080"],
    ["PATIENCE", "90 minutes"],
    ["FEATURE_URL", "http://feature.test/"],
    ["LOG_FORMAT", "none"],
    ["LOG_LEVEL", "INFO"],
  ])
  expect(table.filter(({ description }) => description === "").map(({ name }) => name)).toEqual([
    "PATIENCE",
    "FEATURE_URL",
  ])
})
