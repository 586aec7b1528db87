import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { Effect, Redacted, TestClock } from "effect"
import { Client } from "pg"
import { expect } from "vitest"
import { Instances } from "../../src/push/Instances.js"
import { DatabaseUrl, database } from "../sql/database.js"
import { append, listen, numbers, startHub, until, untilInRealTime } from "./hub.js"

const applicationName = "between instances"

const twoHubs = Effect.gen(function* () {
  const url = yield* DatabaseUrl
  const instances = Instances.layer({ url, applicationName })
  return [yield* startHub({}, instances), yield* startHub({}, instances)] as const
})

/** How many instances have a connection that listens, whether it has just begun to or was tried since. */
const connected = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`
    SELECT 1 FROM pg_stat_activity WHERE application_name = ${applicationName} AND query = ${"NOTIFY tandem_push, 'here'"} AND state = 'idle'`
  return rows.length
})

/** Hears what the instances tell each other, and says nothing by itself. */
const witness = Effect.gen(function* () {
  const connectionString = Redacted.value(yield* DatabaseUrl)
  const client = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client({ connectionString })
      // The database may be dropped before the test's scope ends.
      client.on("error", () => undefined)
      await client.connect()
      await client.query("LISTEN tandem_push")
      return client
    }),
    (client) => Effect.promise(() => client.end()),
  )
  const heard: Array<string> = []
  client.on("notification", ({ payload = "" }) => heard.push(payload))
  const presences = () => heard.filter((payload) => payload === "here").length
  const hinted = (seq: number) => heard.some((payload) => payload.startsWith(`1 ${seq} `))
  return { presences, hinted, sayHere: Effect.promise(() => client.query("NOTIFY tandem_push, 'here'")) }
})

describe("instances", () => {
  // The test's clock stands still, so that nothing is healed: what arrives was told.
  it.scoped("tell each other what was committed, each frame once, however many there are at once", () =>
    Effect.gen(function* () {
      const [first, second] = yield* twoHubs
      const client = listen(second.port, "userId=1")
      const elsewhere = listen(second.port, "userId=2")
      yield* untilInRealTime(() => client.frames.length === 1 && elsewhere.frames.length === 1)
      while ((yield* connected) < 2) yield* Effect.yieldNow()
      const committed = yield* append("1", 500)
      yield* first.hub.announce(committed)
      yield* untilInRealTime(() => client.seqs().length >= 500)
      expect(client.seqs()).toEqual(numbers(1, 500))
      expect(client.frames.slice(1)).toEqual(committed)
      expect(elsewhere.seqs()).toEqual([])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("are healed when what they told each other is lost, and hear each other again", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [first, second] = yield* twoHubs
      const client = listen(second.port, "userId=1")
      yield* until(() => client.frames.length === 1)
      yield* sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ${applicationName}`
      yield* first.hub.announce(yield* append("1", 3))
      yield* until(() => client.seqs().length >= 3)
      while ((yield* connected) < 2) yield* Effect.sleep("10 millis")
      yield* first.hub.announce(yield* append("1", 3))
      yield* until(() => client.seqs().length >= 6)
      expect(client.seqs()).toEqual(numbers(1, 6))
    }).pipe(Effect.provide(database)),
  )

  it.scoped("tell nothing while there are no others, and everything again once another is there", () =>
    Effect.gen(function* () {
      const others = yield* witness
      const { hub } = yield* startHub({}, Instances.layer({ url: yield* DatabaseUrl, applicationName }))
      yield* untilInRealTime(() => others.presences() === 1)
      // There may be another that has not said so yet.
      yield* hub.announce(yield* append("1", 1))
      yield* untilInRealTime(() => others.hinted(1))
      while (others.presences() < 4) {
        yield* TestClock.adjust("5 seconds")
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 10)))
      }
      yield* hub.announce(yield* append("1", 1))
      yield* others.sayHere
      let seq = 2
      while (!others.hinted(seq)) {
        seq++
        yield* hub.announce(yield* append("1", 1))
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 10)))
      }
      expect(others.hinted(2)).toBe(false)
    }).pipe(Effect.provide(database)),
  )
})
