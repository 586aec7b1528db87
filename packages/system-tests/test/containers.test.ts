import { execFile } from "node:child_process"
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { startStack } from "@tandem/dev-stack/Stack"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { config as order } from "@tandem/order-service/config"
import { config as payment } from "@tandem/payment-service/config"
import * as ConfigTable from "@tandem/service-kit/ConfigTable"
import { LoggingConfig } from "@tandem/service-kit/telemetry/Logging"
import { TelemetryConfig } from "@tandem/service-kit/telemetry/Telemetry"
import { Config, ConfigProvider, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"
import { call, settled } from "../src/Client.js"

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

  it("run both services with what the Dockerfile installs and nothing else", async () => {
    const app = mkdtempSync(join(process.env["TANDEM_TEST_DIRECTORY"] ?? tmpdir(), "tandem-image-"))
    try {
      const copy = (path: string) => cpSync(join(repository, path), join(app, path), { recursive: true })
      for (const file of ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"]) copy(file)
      for (const name of readdirSync(join(repository, "packages"))) {
        copy(`packages/${name}/package.json`)
        if (existsSync(join(repository, "packages", name, "dist"))) copy(`packages/${name}/dist`)
      }
      const [, install = ""] = /AS dependencies\n(?:#.*\n)*RUN ((?:.*\\\n)*.*)/.exec(dockerfile) ?? []
      expect(install).toMatch(/pnpm@.* --prod /)
      await promisify(execFile)("sh", ["-c", install], {
        cwd: app,
        env: { ...process.env, CI: "true", npm_config_prefer_offline: "true" },
      })
      chmodSync(app, 0o755)
      const [order = "", payment = ""] = [...dockerfile.matchAll(/"(packages\/\S+?\/dist\/main\.js)"/g)].map(
        ([, program = ""]) => join(app, program),
      )
      const stack = await startStack({ durable: false, programs: { order, payment } })
      try {
        await call("POST", `${stack.paymentUrl}/accounts?userId=1&amount=10`)
        const { body } = await call("POST", `${stack.orderUrl}/orders?userId=1&amount=10`)
        expect(await settled(stack.orderUrl, body["id"])).toMatchObject({ status: "FINISHED" })
        expect((await fetch(`${stack.orderUrl}/index.html?userId=1`)).status).toBe(200)
      } finally {
        await stack.stop()
      }
    } finally {
      rmSync(app, { recursive: true, force: true })
    }
  }, 180_000)
})
