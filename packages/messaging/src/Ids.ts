import { Context, Effect } from "effect"
import { v7 } from "uuid"

/**
 * Where new ids come from: UUIDv7 (RFC 9562), which sort by the time of their making. Tests replace it to replay the same ids:
 * `Effect.provideService(Ids, …)`.
 */
export class Ids extends Context.Reference<Ids>()("@tandem/messaging/Ids", {
  defaultValue: () => ({ next: Effect.sync(() => v7()) }),
}) {}

/** A new UUIDv7. */
export const nextId: Effect.Effect<string> = Effect.flatMap(Ids, (ids) => ids.next)
