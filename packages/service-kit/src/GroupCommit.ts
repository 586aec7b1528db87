import { Cause, Data, Effect, Exit, Runtime, type Scope } from "effect"
import { isNonEmptyReadonlyArray, type NonEmptyReadonlyArray } from "effect/Array"
import { isUnreachable } from "./SqlFaults.js"

/** So much waits already that one more would wait too long. Nothing was done; try again later. */
export class Overloaded extends Data.TaggedError("Overloaded")<{ readonly name: string; readonly waiting: number }> {
  override get message(): string {
    return `${this.name} has ${this.waiting} requests waiting and takes no more`
  }
}

/** How requests share a statement. */
export interface GroupCommitOptions<A, B, E, R> {
  /** For messages: what is written, such as `create-orders`. */
  readonly name: string
  /** Does the work of all items in one statement or transaction, all or nothing; answers one result for each, in their order. */
  readonly run: (items: NonEmptyReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E, R>
  /** Statements under way at once; 2 when absent: one is prepared while the other commits. More only makes them smaller. */
  readonly maxInFlight?: number
  /** The most items of a statement; 500 when absent. */
  readonly maxBatch?: number
  /** The most requests that wait before further ones fail with {@link Overloaded}; 10,000 when absent. */
  readonly maxWaiting?: number
  /**
   * Whether a fault would hit every item alike, so that trying them one by one is pointless; when absent, whether the database
   * cannot be reached. After a lost connection the outcome is unknown: the statement may have been committed.
   */
  readonly isShared?: (error: unknown) => boolean
}

/** A statement that concurrent requests share. */
export interface GroupCommit<A, B, E> {
  /** Has an item written with the others; interrupted while it waits, it is left out. */
  readonly submit: (item: A) => Effect.Effect<B, E | Overloaded>
  /** The same without a fiber, for where that is too much: `onExit` hears how it ended, once. */
  readonly offer: (item: A, onExit: (exit: Exit.Exit<B, E | Overloaded>) => void) => void
}

interface Waiting<A, B, E> {
  readonly item: A
  readonly resume: (exit: Exit.Exit<B, E | Overloaded>) => void
  abandoned: boolean
}

/**
 * Lets concurrent requests share a statement (group commit). When fewer than `maxInFlight` are under way a request goes at once, so
 * a lone one waits for nobody; what comes meanwhile waits and goes together.
 *
 * A statement of several items that fails is tried again item by item, so that nobody pays for a neighbour. A waiting request that
 * is interrupted is left out; one under way goes on, and nobody hears of its result. Ending the scope finishes what is there.
 */
export const make = <A, B, E = never, R = never>(
  options: GroupCommitOptions<A, B, E, R>,
): Effect.Effect<GroupCommit<A, B, E>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const { name, run, maxInFlight = 2, maxBatch = 500, maxWaiting = 10_000, isShared = isUnreachable } = options
    const runtime = yield* Effect.runtime<R>()
    // A shared statement belongs to no request's trace, and a span for each costs more than the rest of its way through here.
    const fork = <A1, E1>(self: Effect.Effect<A1, E1, R>) =>
      Runtime.runFork(runtime)(Effect.withTracerEnabled(self, false))
    let waiting: Array<Waiting<A, B, E>> = []
    let inFlight = 0
    let closed = false
    let whenIdle: (() => void) | undefined

    const attempt = (items: NonEmptyReadonlyArray<A>): Effect.Effect<ReadonlyArray<B>, E, R> =>
      Effect.flatMap(
        Effect.suspend(() => run(items)),
        (results) =>
          results.length === items.length
            ? Effect.succeed(results)
            : Effect.dieMessage(`${name} answered ${results.length} results for ${items.length} items`),
      )

    const settle = (batch: ReadonlyArray<Waiting<A, B, E>>, results: ReadonlyArray<B>) => {
      batch.forEach((entry, index) => {
        entry.resume(Exit.succeed(results[index] as B))
      })
    }

    const oneByOne = (batch: ReadonlyArray<Waiting<A, B, E>>) =>
      Effect.gen(function* () {
        let shared: Cause.Cause<E> | undefined
        for (const entry of batch) {
          if (shared !== undefined) {
            entry.resume(Exit.failCause(shared))
            continue
          }
          if (entry.abandoned) continue
          const exit = yield* Effect.exit(attempt([entry.item]))
          if (Exit.isSuccess(exit)) settle([entry], exit.value)
          else {
            entry.resume(Exit.failCause(exit.cause))
            if (strikesAll(exit.cause)) shared = exit.cause
          }
        }
      })

    const strikesAll = (cause: Cause.Cause<E>) => isShared(Cause.squash(cause))

    const start = () => {
      // A batch never takes more than what waits now, or a steady stream of requests would never let it go.
      const batch: Array<Waiting<A, B, E>> = []
      let taken = 0
      while (taken < waiting.length && batch.length < maxBatch) {
        const entry = waiting[taken++]
        if (entry !== undefined && !entry.abandoned) batch.push(entry)
      }
      waiting = waiting.slice(taken)
      const items = batch.map((entry) => entry.item)
      if (!isNonEmptyReadonlyArray(items)) return
      inFlight++
      fork(
        Effect.matchCauseEffect(attempt(items), {
          onSuccess: (results) => Effect.sync(() => settle(batch, results)),
          onFailure: (cause) =>
            batch.length > 1 && !strikesAll(cause)
              ? oneByOne(batch)
              : Effect.sync(() => {
                  for (const entry of batch) entry.resume(Exit.failCause(cause))
                }),
        }),
      ).addObserver((exit) => {
        inFlight--
        // Only an interruption from outside ends here; whoever has his answer does not hear a second one.
        if (Exit.isFailure(exit)) for (const entry of batch) entry.resume(Exit.failCause(exit.cause))
        if (waiting.length > 0) start()
        if (inFlight === 0 && waiting.length === 0) whenIdle?.()
      })
    }

    yield* Effect.addFinalizer(() =>
      Effect.async<void>((resume) => {
        closed = true
        if (inFlight === 0 && waiting.length === 0) resume(Effect.void)
        else whenIdle = () => resume(Effect.void)
      }),
    )

    const enter = (item: A, resume: (exit: Exit.Exit<B, E | Overloaded>) => void) => {
      const entry: Waiting<A, B, E> = { item, resume, abandoned: false }
      if (closed || waiting.length >= maxWaiting) {
        resume(Exit.fail(new Overloaded({ name, waiting: waiting.length })))
        return entry
      }
      waiting.push(entry)
      if (inFlight < maxInFlight) start()
      return entry
    }

    return {
      offer: enter,
      submit: (item) =>
        Effect.async<B, E | Overloaded>((resume) => {
          const entry = enter(item, resume)
          return Effect.sync(() => {
            entry.abandoned = true
          })
        }),
    }
  })
