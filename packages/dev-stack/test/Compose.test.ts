import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"

interface ComposeService {
  readonly image?: string
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target: string }
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: ReadonlyArray<string>
  readonly networks: ReadonlyArray<string>
  readonly volumes?: ReadonlyArray<string>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: unknown
}

interface Compose {
  readonly name?: string
  readonly services: Readonly<Record<string, ComposeService>>
  readonly networks: Readonly<Record<string, unknown>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const text = readFileSync(join(repository, "docker-compose.yml"), "utf8")
const compose: Compose = parse(text, { merge: true })
const services = Object.entries(compose.services)
const dockerfile = readFileSync(join(repository, "packages/dev-stack/Dockerfile"), "utf8")

describe("docker-compose.yml", () => {
  it("holds the two services, a database of its own for each, and Kafka", () => {
    expect(compose.name).toBeUndefined()
    expect(services.map(([name]) => name).sort()).toEqual(["kafka", "order", "orders-db", "payment", "payments-db"])
    expect(compose.services["order"]?.environment?.["DATABASE_URL"]).toContain("@orders-db:")
    expect(compose.services["payment"]?.environment?.["DATABASE_URL"]).toContain("@payments-db:")
  })

  it("builds from files and targets that exist", () => {
    const built = services.flatMap(([, service]) => (service.build === undefined ? [] : [service.build]))
    expect(built.map(({ target }) => target)).toEqual(["order-service", "payment-service"])
    for (const { context, dockerfile: file, target } of built) {
      expect(existsSync(join(repository, context, file))).toBe(true)
      expect(dockerfile).toMatch(new RegExp(`^FROM \\S+ AS ${target}$`, "m"))
    }
  })

  it("opens ports to this machine alone, and databases and Kafka to nobody outside", () => {
    for (const [name, { ports = [], networks }] of services) {
      for (const port of ports) expect([name, port]).toEqual([name, expect.stringMatching(/^127\.0\.0\.1:\d+:\d+$/)])
      if (!networks.includes("outside")) expect([name, ports]).toEqual([name, []])
    }
    expect(compose.networks["inside"]).toEqual({ internal: true })
  })

  it("waits for health, refers only to what it declares, and holds no password", () => {
    for (const [, { depends_on = {}, networks, volumes = [] }] of services) {
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        expect(condition).toBe("service_healthy")
        expect(compose.services[needed]?.healthcheck).toBeDefined()
      }
      for (const network of networks) expect(Object.keys(compose.networks)).toContain(network)
      for (const volume of volumes) expect(Object.keys(compose.volumes)).toContain(volume.split(":")[0])
    }
    for (const [, password] of text.matchAll(/PASSWORD: (.*)$/gm)) expect(password).toMatch(/^\$\{POSTGRES_PASSWORD:\?/)
    for (const [, password] of text.matchAll(/postgres:\/\/\w+:(.*?)@/g))
      expect(password).toMatch(/^\$\{POSTGRES_PASSWORD\}$/)
  })
})

describe("the Dockerfile", () => {
  it("copies only files that exist, as an unprivileged user runs only programs of this repository", () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = ""]) => files.split(" "))
    expect(copied).toContain("pnpm-lock.yaml")
    for (const file of copied) expect([file, existsSync(join(repository, file))]).toEqual([file, true])
    expect(dockerfile).toMatch(/^USER node$/m)
    for (const [, program = ""] of dockerfile.matchAll(/"(packages\/\S+?)\/dist\/main\.js"/g)) {
      expect([program, existsSync(join(repository, program, "package.json"))]).toEqual([program, true])
    }
  })

  it("uses the pnpm that everything else uses", () => {
    const used = (file: string) => new Set(readFileSync(join(repository, file), "utf8").match(/pnpm@[\d.]+\d/g))
    expect(used("packages/dev-stack/Dockerfile")).toEqual(used("packages/dev-stack/bin/prepare.mjs"))
  })
})
