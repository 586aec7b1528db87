import { readFileSync } from "node:fs"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { config as order } from "@tandem/order-service/config"
import { config as payment } from "@tandem/payment-service/config"
import * as ConfigTable from "@tandem/service-kit/ConfigTable"
import { LoggingConfig } from "@tandem/service-kit/telemetry/Logging"
import { TelemetryConfig } from "@tandem/service-kit/telemetry/Telemetry"
import { Config, ConfigProvider, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"

interface Compose {
  readonly services: Readonly<Record<string, { readonly environment?: Readonly<Record<string, string>> }>>
}

const read = (path: string) => readFileSync(`${repository}/${path}`, "utf8")
const compose: Compose = parse(read("docker-compose.yml"), { merge: true })
const dockerfile = read("packages/dev-stack/Dockerfile")

/** The image's variables and then the container's, with those of the person who starts it. */
const environment = (name: string): ReadonlyMap<string, string> =>
  new Map(
    [...dockerfile.matchAll(new RegExp(`AS (?:runtime|${name}-service)\\n(?:WORKDIR .*\\n)?ENV (.*)`, "g"))]
      .flatMap(([, pairs = ""]) => pairs.split(" "))
      .map((pair) => pair.split("=", 2))
      .concat(Object.entries(compose.services[name]?.environment ?? {}))
      .map(([variable = "", value = ""]) => [variable, value.replaceAll(/\$\{POSTGRES_PASSWORD[^}]*\}/g, "a1b2")]),
  )

describe("the containers", () => {
  for (const [name, config] of Object.entries({ order, payment })) {
    it(`set only variables that the ${name} service reads, to values that it takes`, () => {
      const variables = environment(name)
      expect([...variables.keys()]).toEqual(
        expect.arrayContaining(["NODE_ENV", "HOST", "PORT", "DATABASE_URL", "BROKER_URL"]),
      )
      const known = ConfigTable.variables(Config.all([config, LoggingConfig, TelemetryConfig])).map(({ name }) => name)
      expect([...variables.keys()].filter((variable) => !known.includes(variable))).toEqual(["NODE_ENV"])
      const { service } = Effect.runSync(Effect.withConfigProvider(config, ConfigProvider.fromMap(new Map(variables))))
      expect(service).toMatchObject({ host: "0.0.0.0", brokerUrl: { _tag: "Kafka" }, auth: { _tag: "Off" } })
    })
  }
})
