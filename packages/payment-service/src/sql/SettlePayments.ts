import { SqlClient, type SqlError } from "@effect/sql"
import type { PaymentRequest, PaymentResult } from "@tandem/contracts/messages/Topics"
import { Ids } from "@tandem/messaging/Ids"
import * as Inbox from "@tandem/messaging/Inbox"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { type MessageTooLarge, Outbox, type OutsideTransaction } from "@tandem/messaging/Outbox"
import { Array, Clock, Data, Effect, Exit, type Option } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { type Settlement, settle } from "../domain/Settlement.js"
import * as Accounts from "./Accounts.js"
import { lockKnown, readKnown } from "./Known.js"
import * as Payments from "./Payments.js"
import type { RecentAccounts } from "./RecentAccounts.js"
import * as SettlementMetrics from "./SettlementMetrics.js"
import * as Transfers from "./Transfers.js"

/** An account changed between being read and being written. Nothing was written; the batch is decided again. */
export class VersionConflict extends Data.TaggedError("VersionConflict")<{
  /** How many accounts were to be written, and how many were still as they had been read. */
  readonly accounts: number
  readonly unmoved: number
}> {
  override get message(): string {
    return `${this.accounts - this.unmoved} of ${this.accounts} accounts changed meanwhile`
  }
}

/** How a batch is settled. */
export interface SettleOptions {
  /** How often the batch was tried before. The first try takes no locks, every later one locks its accounts. */
  readonly attempt: number
  /** The messages that tell the results. */
  readonly encode: (results: ReadonlyArray<PaymentResult>) => Effect.Effect<ReadonlyArray<OutgoingMessage>>
}

/**
 * Gives a batch of commands its effect, inside the caller's transaction: decisions, balances, ledger and answers; two statements
 * however large the batch, three with locks. Optimistic: the first try reads without locks and writes under the versions that it
 * read, so nobody waits for nobody; it fails with `VersionConflict` when one was missed.
 */
export const settlePayments = (
  commands: NonEmptyReadonlyArray<PaymentRequest>,
  { attempt, encode }: SettleOptions,
): Effect.Effect<
  Settlement,
  SqlError.SqlError | VersionConflict | OutsideTransaction | MessageTooLarge,
  SqlClient.SqlClient | Outbox
> =>
  Effect.gen(function* () {
    yield* SettlementMetrics.attempted(attempt, commands.length)
    const known = yield* attempt === 0 ? readKnown(commands) : SettlementMetrics.timeLocks(lockKnown(commands))
    const settlement = settle(known, commands)
    const answers = yield* encode(settlement.results)
    if (settlement.payments.length > 0) yield* write(settlement, answers)
    else yield* Effect.flatMap(Outbox, (outbox) => outbox.add(answers))
    return settlement
  })

/** What settling in one statement needs besides the commands. */
export interface OneStatementOptions extends Pick<SettleOptions, "encode"> {
  readonly inbox: Inbox.Entry
  readonly recent: RecentAccounts
}

/**
 * The same by itself and without a transaction: one statement reads, and one writes with everything else the entries of the inbox. None when
 * that is not enough: something is impossible, or no decision is new. A conflict writes nothing, and is the statement's own failure. Few
 * requests of accounts that were settled lately are not read for: the write finds out if an account has changed since.
 */
export const settleInOneStatement = (
  commands: NonEmptyReadonlyArray<PaymentRequest>,
  options: OneStatementOptions,
): Effect.Effect<
  Option.Option<Settlement>,
  SqlError.SqlError | VersionConflict | MessageTooLarge,
  SqlClient.SqlClient | Outbox
> => {
  const read = Effect.flatMap(readKnown(commands), (known) => {
    const settlement = settle(known, commands)
    if (settlement.impossible.length > 0 || settlement.payments.length === 0) return Effect.succeedNone
    return Effect.asSome(writeInOneStatement(settlement, commands.length, options)).pipe(
      Effect.tapError((fault) => (isConflict(fault) ? SettlementMetrics.missed(1) : Effect.void)),
    )
  })
  const recalled = recall(commands, options.recent)
  if (recalled === undefined) return read
  return Effect.catchIf(Effect.asSome(writeInOneStatement(recalled, commands.length, options)), isConflict, () => read)
}

/** Up to so many, a round trip counts for more than what is thrown away when one of their accounts has changed. */
const fewCommands = 16

/** The settlement as it is if no account has changed since; undefined when that cannot be said. A decline writes to no account. */
const recall = (commands: ReadonlyArray<PaymentRequest>, recent: RecentAccounts): Settlement | undefined => {
  if (commands.length > fewCommands) return undefined
  const known = recent.recall(commands)
  if (known === undefined) return undefined
  const settlement = settle(known, commands)
  return settlement.results.length === commands.length &&
    settlement.results.every(({ _tag }) => _tag === "PaymentSucceeded")
    ? settlement
    : undefined
}

const isConflict = (fault: unknown): boolean => Inbox.conflictOf(fault) === "accounts"

const writeInOneStatement = (
  settlement: Settlement,
  commands: number,
  { encode, inbox, recent }: OneStatementOptions,
) =>
  SettlementMetrics.attempted(0, commands).pipe(
    Effect.zipRight(encode(settlement.results)),
    Effect.flatMap((answers) => write(settlement, answers, inbox)),
    Effect.onExit((exit) =>
      Effect.sync(() => (Exit.isSuccess(exit) ? recent.remember(settlement) : recent.forget(settlement))),
    ),
    Effect.as(settlement),
  )

/** All in one statement: a round trip costs more than what it carries, and the ledger's guards look at a statement as a whole. */
const write = (settlement: Settlement, answers: ReadonlyArray<OutgoingMessage>, inbox?: Inbox.Entry) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const at = new Date(yield* Clock.currentTimeMillis).toISOString()
    const { next } = yield* Ids
    const ids = yield* Effect.forEach(settlement.transfers, () => next)
    const lines = Array.zipWith(settlement.transfers, ids, (line, id) => ({ ...line, id }))
    const accounts = settlement.accounts.length
    const rows = yield* sql<{ readonly unmoved: number }>`
      WITH ${inbox === undefined ? sql`` : sql`${inbox.cte},`}
        ${Accounts.move(sql, settlement, at, inbox?.allNew ?? sql`true`)},
        ${Payments.insertNew(sql, settlement, at)},
        ${Payments.updateRepaid(sql, settlement, at)},
        ${Transfers.append(sql, lines)},
        ${yield* outbox.cte(answers)}
      SELECT count(*)::integer AS unmoved
        ${inbox === undefined ? sql`` : sql`, ${inbox.confirm("accounts", sql`count(*) = ${accounts}`)} AS confirmed`}
      FROM unmoved`
    const unmoved = rows[0]?.unmoved ?? 0
    if (unmoved !== accounts) {
      yield* SettlementMetrics.missed(accounts - unmoved)
      return yield* new VersionConflict({ accounts, unmoved })
    }
  })
