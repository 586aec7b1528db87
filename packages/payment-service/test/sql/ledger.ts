import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { nextId } from "@tandem/messaging/Ids"
import { transaction } from "@tandem/messaging/Transaction"
import { Effect } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { encode } from "../../src/messages/PaymentMessages.js"
import { settlePayments } from "../../src/sql/SettlePayments.js"
import { topUp } from "../../src/sql/TopUps.js"

/** One top-up of its own. */
export const fund = (userId: string, amount: number, at = "2026-01-01T00:00:00.000Z") =>
  Effect.gen(function* () {
    const [outcome] = yield* topUp([{ id: yield* nextId, userId, amount }], at)
    if (outcome === undefined) return yield* Effect.dieMessage("a top-up without an outcome")
    return yield* outcome
  })

/** One try to settle, in a transaction of its own: the first without locks, later ones with them. */
export const settleOnce = (commands: NonEmptyReadonlyArray<PaymentRequest>, attempt = 0) =>
  transaction(settlePayments(commands, { attempt, encode }))

/** Tries as the consumer does: first without locks, then with them, until it is done. */
export const settle = (commands: NonEmptyReadonlyArray<PaymentRequest>) =>
  Effect.catchAll(settleOnce(commands), () => Effect.retry(settleOnce(commands, 1), { times: 50 }))
