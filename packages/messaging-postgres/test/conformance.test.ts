import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type EmbeddedPostgres, startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { Broker } from "@tandem/messaging/Broker"
import { brokerConformance } from "@tandem/messaging/testing/BrokerConformance"
import * as PostgresBroker from "@tandem/messaging-postgres/PostgresBroker"
import { Context, Effect, Layer, Redacted } from "effect"
import { afterAll } from "vitest"
import * as FreezableLink from "./FreezableLink.js"

const database = await createTestDatabase()
afterAll(database.drop)

const connect = (url: string) =>
  Effect.map(Layer.build(Layer.fresh(PostgresBroker.layer({ url: Redacted.make(url) }))), Context.get(Broker))

/** A server of the test's own, which it may kill. */
const restartable = Effect.gen(function* () {
  const directory = mkdtempSync(join(process.env["TANDEM_TEST_DIRECTORY"] ?? tmpdir(), "postgres-outage-"))
  let server: EmbeddedPostgres = yield* Effect.acquireRelease(
    Effect.promise(() => startPostgres({ directory })),
    () =>
      Effect.promise(() => server.stop()).pipe(
        Effect.zipRight(Effect.sync(() => rmSync(directory, { recursive: true, force: true }))),
      ),
  )
  const { port } = server
  const url = yield* Effect.promise(() => server.ensureDatabase("broker"))
  return {
    connect: connect(url),
    kill: Effect.promise(() => server.kill9()),
    start: Effect.promise(async () => {
      server = await startPostgres({ directory, port })
    }),
  }
})

const freezable = Effect.map(FreezableLink.make(database.url), ({ url, freeze, thaw }) => ({
  connect: connect(database.url),
  connectFreezable: connect(url),
  freeze,
  thaw,
}))

brokerConformance("PostgresBroker", { connect: connect(database.url), sessionMs: 5_000, restartable, freezable })
