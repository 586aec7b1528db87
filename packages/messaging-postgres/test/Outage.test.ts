import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, it } from "@effect/vitest"
import { startPostgres } from "@tandem/dev-stack/EmbeddedPostgres"
import { freePort } from "@tandem/dev-stack/Processes"
import { Effect, Exit, Scope } from "effect"
import { expect } from "vitest"
import { connect, database, eager, inspect, message, soon, until } from "./database.js"
import * as FreezableLink from "./FreezableLink.js"

/** A folder that the server's own user may enter. */
const directory = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "tandem-broker-"))
    chmodSync(path, 0o755)
    return path
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
)

const server = (path: string, port: number) =>
  Effect.acquireRelease(
    Effect.promise(() => startPostgres({ directory: join(path, "postgres"), port })),
    (running) => Effect.promise(() => running.stop()),
  )

describe("PostgresBroker: outages", () => {
  it.scopedLive("outlives the death of its database, losing nothing", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const port = yield* Effect.promise(() => freePort())
      const running = yield* server(path, port)
      const broker = yield* connect(running.url("postgres"))
      yield* broker.ensureTopics([{ name: "things", partitions: 4 }])
      const seen = yield* eager(broker)
      yield* broker.publish([message("a", "before")])
      yield* until(Effect.sync(() => seen.length === 1))
      yield* Effect.promise(() => running.kill9())
      expect((yield* Effect.flip(broker.ping))._tag).toBe("BrokerUnavailable")
      expect((yield* Effect.flip(broker.publish([message("a", "during")])))._tag).toBe("BrokerUnavailable")
      yield* server(path, port)
      yield* until(Effect.isSuccess(broker.ping))
      yield* broker.publish([message("a", "after")])
      yield* until(Effect.sync(() => seen.includes("after")))
      const all = yield* eager(broker, { group: "another" })
      yield* until(Effect.sync(() => all.includes("before") && all.includes("after")))
    }),
  )

  it.scopedLive("is there before its database, and works once that is", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const port = yield* Effect.promise(() => freePort())
      const first = yield* server(path, port)
      const url = first.url("postgres")
      yield* Effect.promise(() => first.stop())
      const broker = yield* connect(url)
      const seen = yield* eager(broker)
      const fault = yield* Effect.flip(broker.ensureTopics([{ name: "things", partitions: 1 }]))
      expect(fault._tag).toBe("BrokerUnavailable")
      expect(fault.message).toMatch(/ECONNREFUSED/)
      yield* server(path, port)
      yield* until(Effect.isSuccess(broker.ensureTopics([{ name: "things", partitions: 1 }])))
      yield* broker.publish([message("a", "first")])
      yield* until(Effect.sync(() => seen.length === 1))
    }),
  )

  it.scopedLive("gives up on a database that does not answer, also where nothing may be interrupted", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const link = yield* FreezableLink.make(url)
      const broker = yield* connect(link.url)
      yield* broker.ping
      yield* link.freeze
      const fault = yield* Effect.flip(Effect.uninterruptible(broker.ping))
      expect(fault.message).toBe("the broker failed to ping: the database does not answer")
      yield* link.thaw
      yield* until(Effect.isSuccess(broker.ping))
    }),
  )

  it.scopedLive("ends a subscription and itself while the database does not answer", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const link = yield* FreezableLink.make(url)
      const scope = yield* Scope.make()
      const broker = yield* Scope.extend(connect(link.url), scope)
      yield* broker.ensureTopics([{ name: "things", partitions: 1 }])
      const seen = yield* Scope.extend(eager(broker), scope)
      yield* broker.publish([message("a", "1")])
      yield* until(Effect.sync(() => seen.length === 1))
      yield* link.freeze
      yield* soon(Effect.disconnect(Scope.close(scope, Exit.void)))
    }),
  )

  it.scopedLive("goes on when its backends are terminated", () =>
    Effect.gen(function* () {
      const { url } = yield* database
      const broker = yield* connect(url)
      const sql = yield* inspect(url)
      yield* broker.ensureTopics([{ name: "things", partitions: 2 }])
      const seen = yield* eager(broker)
      for (const value of ["1", "2", "3"]) {
        yield* sql`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'broker' AND datname = current_database()`
        yield* until(Effect.isSuccess(broker.publish([message("a", value)])))
        yield* until(Effect.sync(() => seen.includes(value)))
      }
    }),
  )
})
