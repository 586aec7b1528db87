import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
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
    SELECT 1 FROM pg_stat_activity WHERE application_name = ${applicationName} AND query IN ('LISTEN tandem_push', 'SELECT 1') AND state = 'idle'`
  return rows.length
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
})
