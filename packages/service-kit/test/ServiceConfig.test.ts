import { expect, it } from "@effect/vitest"
import * as ServiceConfig from "@tandem/service-kit/ServiceConfig"
import { explain } from "@tandem/service-kit/StartupFault"
import { Cause, Config, ConfigProvider, Effect, Exit, Redacted } from "effect"

const complete = {
  DATABASE_URL: "postgres://me:sesame@db:5432/orders",
  BROKER_URL: "kafka://h1:9092,h2:9093",
}

const config = Config.all({
  service: ServiceConfig.make({ port: 8080, corsOrigins: ["http://127.0.0.1:8080"] }),
  feature: Config.url("FEATURE_URL").pipe(Config.withDefault(new URL("http://feature.test"))),
})

const read = (variables: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(config, ConfigProvider.fromMap(new Map(Object.entries(variables))))

const complaint = (variables: Readonly<Record<string, string>>) =>
  Effect.map(Effect.exit(read(variables)), (exit) =>
    Exit.isFailure(exit) ? explain("order-service", exit.cause) : "none",
  )

it.effect("what is not told has its default", () =>
  Effect.gen(function* () {
    const { service } = yield* read(complete)
    expect(service).toMatchObject({
      port: 8080,
      host: "127.0.0.1",
      databasePoolSize: 10,
      brokerUrl: { _tag: "Kafka", brokers: ["h1:9092", "h2:9093"] },
      corsOrigins: ["http://127.0.0.1:8080"],
    })
    expect(Redacted.value(service.databaseUrl)).toBe(complete.DATABASE_URL)
  }),
)

it.effect("everything can be told", () =>
  Effect.gen(function* () {
    const { service } = yield* read({
      ...complete,
      PORT: "0",
      HOST: "::1",
      DATABASE_POOL_SIZE: "3",
      BROKER_URL: "postgres://me:sesame@db/broker",
      KAFKA_CLIENT: "platformatic",
      CORS_ORIGINS: "http://a.test, https://b.test:8443",
    })
    expect(service).toMatchObject({
      port: 0,
      host: "::1",
      databasePoolSize: 3,
      kafkaClient: "platformatic",
      corsOrigins: ["http://a.test", "https://b.test:8443"],
    })
    expect(service.brokerUrl._tag === "Postgres" && Redacted.value(service.brokerUrl.url)).toBe(
      "postgres://me:sesame@db/broker",
    )
  }),
)

it.effect("all that is wrong or missing is told at once, a line each, without a value", () =>
  Effect.gen(function* () {
    const told = yield* complaint({
      PORT: "80808",
      HOST: "0.0.0.0",
      DATABASE_POOL_SIZE: "many",
      BROKER_URL: "kafka://user:sesame@h1",
      CORS_ORIGINS: "http://a.test/page",
      FEATURE_URL: "sesame",
    })
    expect(told.split("\n")).toEqual([
      "order-service cannot start, its configuration is wrong:",
      "  PORT must be a whole number between 0 and 65535.",
      "  HOST is reached from other machines, and nobody would be asked who he is: listen on 127.0.0.1, set AUTH_JWKS_URL, AUTH_ISSUER and AUTH_AUDIENCE, or say AUTH=off.",
      "  DATABASE_URL is not set.",
      "  DATABASE_POOL_SIZE must be a whole number between 1 and 1000.",
      "  BROKER_URL must be kafka://host:9092,host:9092 or postgres://user:password@host:5432/database.",
      "  CORS_ORIGINS must be origins separated by commas, such as http://127.0.0.1:8080, without a path.",
      expect.stringMatching(/^ {2}FEATURE_URL /),
    ])
    expect(told).not.toContain("sesame")
  }),
)

it.effect("each way of writing a variable wrong is refused", () =>
  Effect.gen(function* () {
    for (const [name, values] of Object.entries({
      PORT: ["-1", "1.5", "1e3", "0x10", "eighty", "+80"],
      DATABASE_URL: ["mysql://db/orders", "postgres://", "db", "postgres://h:port/x"],
      BROKER_URL: ["kafka://", "kafka://h1", "kafka://h1:9092,", "kafka://h1:9092/x", "h1:9092", "amqp://h1:1"],
      KAFKA_CLIENT: ["", "KafkaJS", "rdkafka"],
      CORS_ORIGINS: ["*", "null", "shop.test", "http://shop.test/", "http://a.test,"],
      HOST: ["0.0.0.0", "::", "192.168.1.2", "orders.example"],
      AUTH: ["on", "OFF", "false"],
      AUTH_ALGORITHMS: ["none", "HS256", "RS256,HS256", "", "rs256"],
      RATE_LIMIT: ["0", "-1", "1.5", "OFF", "none"],
    })) {
      for (const value of values) expect(yield* complaint({ ...complete, [name]: value })).toContain(`\n  ${name} `)
    }
  }),
)

it.effect("a service that others reach starts when somebody says so in so many words", () =>
  Effect.gen(function* () {
    expect((yield* read({ ...complete, HOST: "0.0.0.0", AUTH: "off" })).service.host).toBe("0.0.0.0")
  }),
)

const tokens = {
  AUTH_JWKS_URL: "https://issuer.example/jwks.json",
  AUTH_ISSUER: "https://issuer.example/",
  AUTH_AUDIENCE: "tandem",
}

it.effect("callers are known by the tokens of an issuer that is configured as a whole", () =>
  Effect.gen(function* () {
    const { service } = yield* read({ ...complete, ...tokens, HOST: "0.0.0.0" })
    expect(service).toMatchObject({
      host: "0.0.0.0",
      auth: {
        _tag: "Tokens",
        jwksUrl: new URL(tokens.AUTH_JWKS_URL),
        issuer: tokens.AUTH_ISSUER,
        audience: "tandem",
        algorithms: ["RS256", "ES256", "EdDSA"],
      },
    })
    expect((yield* read(complete)).service.auth).toEqual({ _tag: "Off" })
    const pinned = yield* read({ ...complete, ...tokens, AUTH_ALGORITHMS: "ES256" })
    expect(pinned.service.auth).toMatchObject({ algorithms: ["ES256"] })
  }),
)

it.effect("auth in parts, or on and off at once, is refused", () =>
  Effect.gen(function* () {
    const whole = "must be set, for auth is configured as a whole or not at all."
    expect((yield* complaint({ ...complete, AUTH_JWKS_URL: "http://issuer.example/", PORT: "x" })).split("\n")).toEqual(
      [
        "order-service cannot start, its configuration is wrong:",
        "  PORT must be a whole number between 0 and 65535.",
        `  AUTH_ISSUER ${whole}`,
        `  AUTH_AUDIENCE ${whole}`,
        "  AUTH_JWKS_URL must be an https:// address (http:// on loopback only), without a user or password.",
      ],
    )
    expect(yield* complaint({ ...complete, AUTH_ISSUER: "me", AUTH_AUDIENCE: "you" })).toContain(
      `AUTH_JWKS_URL ${whole}`,
    )
    expect(yield* complaint({ ...complete, ...tokens, AUTH: "off" })).toContain("AUTH is off, but")
  }),
)

it.effect("a rate is limited wherever others reach the service, unless somebody says otherwise", () =>
  Effect.gen(function* () {
    const limit = (variables: Readonly<Record<string, string>>) =>
      Effect.map(read({ ...complete, ...variables }), ({ service }) => service.rateLimit)
    expect(yield* limit({})).toBeUndefined()
    expect(yield* limit(tokens)).toBe(1_000)
    expect(yield* limit({ HOST: "0.0.0.0", AUTH: "off" })).toBe(1_000)
    expect(yield* limit({ RATE_LIMIT: "7" })).toBe(7)
    expect(yield* limit({ ...tokens, RATE_LIMIT: "off" })).toBeUndefined()
  }),
)

it("what is no configuration is told in its own words, a bug by a hint at the log", () => {
  expect(explain("order-service", Cause.fail(new Error("Something else listens.")))).toBe(
    "order-service cannot start:\nSomething else listens.",
  )
  expect(explain("order-service", Cause.die(new Error("undefined is not a function")))).toBe(
    "order-service stopped for an unexpected reason, which is in its log.",
  )
})
