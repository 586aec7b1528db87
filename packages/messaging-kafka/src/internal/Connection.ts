import { BrokerUnavailable } from "@tandem/messaging/Broker"
import { Effect } from "effect"

/** How a client comes into being and ends. */
export interface Connectable<C> {
  readonly open: () => Promise<C>
  readonly close: (client: C) => Promise<unknown>
}

/** A client that is opened when it is first used, and thrown away after any error: an idempotent producer is of no use then. */
export const connection = <C>({ open, close }: Connectable<C>) =>
  Effect.gen(function* () {
    let current: Promise<C> | undefined
    // A client that cannot be closed in order has nothing left that anybody waits for.
    const dispose = (client: Promise<C> | undefined) => client?.then(close).catch(() => undefined)
    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => dispose(current)).pipe(Effect.interruptible, Effect.timeoutOption("3 seconds")),
    )
    const use = <A>(operation: BrokerUnavailable["operation"], call: (client: C) => Promise<A>) =>
      Effect.tryPromise({
        try: async () => {
          current ??= open()
          const mine = current
          try {
            return await call(await mine)
          } catch (error) {
            if (current === mine) current = undefined
            void dispose(mine)
            throw error
          }
        },
        catch: (cause) => new BrokerUnavailable({ operation, cause }),
      })
    return { use }
  })
