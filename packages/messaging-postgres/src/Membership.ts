import type { SubscribeOptions } from "@tandem/messaging/Broker"
import { nextId } from "@tandem/messaging/Ids"
import { Cause, Effect, Option, type Scope } from "effect"
import { rebalance } from "./Assignment.js"
import { answeredWithin, type BrokerDatabase, reason } from "./BrokerDatabase.js"
import * as GroupTable from "./GroupTable.js"
import { Leases } from "./Leases.js"
import * as RetrySchedules from "./RetrySchedules.js"

/** A little under a second, so that an offset is stored a second after it was acknowledged at the latest. */
const heartbeat = "800 millis"

/** While others have yet to surrender what is this member's due, or a topic is not there. */
const impatientHeartbeat = "200 millis"

/** A shutdown waits no longer than this for the database; what is not given back runs out by itself. */
const leavingPatience = "2 seconds"

/** A member of a consumer group, for as long as its scope. */
export interface Membership {
  readonly identity: GroupTable.Identity
  readonly leases: Leases
  /** Dies once the heartbeat has died of a bug: the member would read nothing more. */
  readonly check: Effect.Effect<void>
}

/**
 * Joins a group: a heartbeat renews the leases and stores their offsets, sees who else is there, takes and surrenders partitions
 * toward a fair share. A partition is surrendered when its batch in hand is acknowledged. Outages are waited for. Closing the scope
 * gives everything back with its offsets.
 */
export const join = (
  { sql, run }: BrokerDatabase,
  { group, topics }: SubscribeOptions,
): Effect.Effect<Membership, never, Scope.Scope> =>
  Effect.gen(function* () {
    const identity = { group, member: yield* nextId, topics: [...new Set(topics)] }
    const leases = new Leases()
    const turn = yield* Effect.makeSemaphore(1)
    let hasLeft = false
    let death = Option.none<Cause.Cause<unknown>>()
    let isFailing = false

    const beat = Effect.gen(function* () {
      leases.surrenderable.unsafeClose()
      const known = leases.all()
      const kept = yield* run(GroupTable.renew(sql, identity, known))
      const lost = known.filter((lease) => !kept.has(lease))
      leases.drop(lost)
      if (lost.length > 0) yield* Effect.logInfo(`${group}: ${lost.length} partition(s) went to another member`)
      const members = yield* run(GroupTable.members(sql, group))
      const rows = yield* run(GroupTable.partitions(sql, identity))
      const plan = rebalance(
        identity.member,
        members,
        rows.map((row) => leases.state(row)),
      )
      const leaving = leases.surrender(plan.surrender)
      if (leaving.length > 0) {
        yield* run(GroupTable.surrender(sql, identity, leaving))
        leases.drop(leaving)
      }
      if (plan.take.length > 0 && !hasLeft) leases.add(yield* run(GroupTable.take(sql, identity, plan.take)))
      return plan.isShort || new Set(rows.map(({ topic }) => topic)).size < identity.topics.length
    })

    // A beat that has begun is finished even when nobody waits for it, and leaving takes its turn after it: otherwise a late
    // renewal could follow the farewell.
    const whole = turn.withPermits(1)(Effect.suspend(() => (hasLeft ? Effect.succeed(false) : beat)))
    const beats = Effect.disconnect(Effect.uninterruptible(whole)).pipe(
      Effect.tapError((fault) => {
        if (isFailing) return Effect.void
        isFailing = true
        return Effect.logWarning(`${group} cannot reach its broker for now, trying on: ${String(reason(fault))}`)
      }),
      Effect.retry(RetrySchedules.outage),
      Effect.tap(() => {
        if (!isFailing) return Effect.void
        isFailing = false
        return Effect.logInfo(`${group} reaches its broker again`)
      }),
      Effect.flatMap((isImpatient) =>
        Effect.timeoutOption(leases.surrenderable.await, isImpatient ? impatientHeartbeat : heartbeat),
      ),
      Effect.forever,
      Effect.withTracerEnabled(false),
    )

    const leave = Effect.gen(function* () {
      yield* run(GroupTable.surrender(sql, identity, leases.all()))
      yield* run(GroupTable.leave(sql, identity))
    }).pipe(turn.withPermits(1), Effect.withTracerEnabled(false))

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        hasLeft = true
        return Effect.disconnect(leave)
      }).pipe(
        answeredWithin(leavingPatience),
        Effect.catchAll((fault) => Effect.logDebug(`${group}: the leases were not given back, they run out`, fault)),
      ),
    )
    yield* beats.pipe(
      Effect.onError((cause) =>
        Effect.sync(() => {
          death = Option.some(cause)
          leases.readable.unsafeOpen()
        }),
      ),
      Effect.forkScoped,
    )
    return {
      identity,
      leases,
      check: Effect.suspend(() => (Option.isSome(death) ? Effect.die(Cause.squash(death.value)) : Effect.void)),
    }
  })
