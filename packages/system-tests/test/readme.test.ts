import { readFileSync } from "node:fs"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { config as order } from "@tandem/order-service/config"
import { config as payment } from "@tandem/payment-service/config"
import * as ConfigTable from "@tandem/service-kit/ConfigTable"
import { LoggingConfig } from "@tandem/service-kit/telemetry/Logging"
import { TelemetryConfig } from "@tandem/service-kit/telemetry/Telemetry"
import { Config } from "effect"
import { describe, expect, it } from "vitest"

/** Two services' variables in one table: what differs is said for both. */
const table = (): string => {
  const rows = new Map<string, { standards: Set<string>; description: string }>()
  for (const config of [
    Config.all([order, LoggingConfig, TelemetryConfig]),
    Config.all([payment, LoggingConfig, TelemetryConfig]),
  ]) {
    for (const { name, description, standard } of ConfigTable.variables(config)) {
      const row = rows.get(name) ?? { standards: new Set(), description }
      rows.set(name, row)
      row.standards.add(standard === undefined ? "must be set" : standard === "" ? "none" : standard)
    }
  }
  return [
    "| variable | default | meaning |",
    "|---|---|---|",
    ...[...rows].map(
      ([name, { standards, description }]) => `| \`${name}\` | ${[...standards].join(" / ")} | ${description} |`,
    ),
  ].join("\n")
}

describe("the README", () => {
  it("lists every variable, as the Config has it", () => {
    expect(readFileSync(`${repository}/README.md`, "utf8")).toContain(table())
  })

  it("names only files that are there", () => {
    const links = [...readFileSync(`${repository}/README.md`, "utf8").matchAll(/\]\((?!https?:)([^)#]+)\)/g)]
    expect(links.length).toBeGreaterThan(3)
    for (const [, path] of links) expect(() => readFileSync(`${repository}/${path}`), path).not.toThrow(/ENOENT/)
  })

  it("has the same commands in Russian", () => {
    const commands = (file: string) =>
      [...readFileSync(`${repository}/${file}`, "utf8").matchAll(/^```sh\n(.*?)^```/gms)]
        .flatMap(([, block = ""]) => block.trim().split("\n"))
        .map((line) => line.replace(/ +# .*$/, ""))
    expect(commands("README.md").length).toBeGreaterThan(10)
    expect(commands("docs/README.ru.md")).toEqual(commands("README.md"))
  })
})
