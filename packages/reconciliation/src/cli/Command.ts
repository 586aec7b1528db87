import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { SqlClient } from "@effect/sql"
import { Config, Console, Data, Duration, Effect, Layer, Option, type Redacted } from "effect"
import { repairableKinds } from "../domain/Finding.js"
import { type CheckOptions, check } from "../Reconciliation.js"
import { repair } from "../sql/Repairs.js"
import { connect, innermost } from "../sql/Snapshot.js"
import { toJson, toText } from "./ReportText.js"

/** Something disagrees; the report has been printed. */
export class Disagreement extends Data.TaggedError("Disagreement") {}

/** The command line asks for something that is not done. The message is a sentence for the terminal. */
export class WrongUse extends Data.TaggedError("WrongUse")<{ readonly message: string }> {}

const databaseUrl = (name: string, variable: string, whose: string) =>
  Options.redacted(name).pipe(
    Options.withFallbackConfig(Config.redacted(variable)),
    Options.withDescription(`The ${whose} database, postgres://…; ${variable} when absent`),
  )

const duration = (name: string, standard: string, description: string, variable?: string) => {
  const text = Options.text(name)
  return (variable === undefined ? text : text.pipe(Options.withFallbackConfig(Config.string(variable)))).pipe(
    Options.withDefault(standard),
    Options.withDescription(`${description}; ${standard} when absent`),
  )
}

const options = {
  orders: databaseUrl("order-database-url", "ORDER_DATABASE_URL", "order service's"),
  payments: databaseUrl("payment-database-url", "PAYMENT_DATABASE_URL", "payment service's"),
  paymentTimeout: duration(
    "payment-timeout",
    "15 minutes",
    "How long an order waits before it asks again, as the order service has it",
    "PAYMENT_TIMEOUT",
  ),
  settleGrace: duration("settle-grace", "1 minute", "How long a message may be under way"),
  outboxLimit: duration("outbox-limit", "1 minute", "How long a message may wait in an outbox"),
  recheckAfter: duration("recheck-after", "5 seconds", "The pause before what may be under way is looked at again"),
  limit: Options.integer("limit").pipe(
    Options.withDefault(1_000),
    Options.withDescription("The most findings of a kind that are listed and repaired"),
  ),
  json: Options.boolean("json").pipe(Options.withDescription("Print the report as JSON")),
  repair: Options.choice("repair", repairableKinds).pipe(
    Options.repeated,
    Options.withDescription("Repair the findings of this kind by saying again what was said; needs --actor and --yes"),
  ),
  actor: Options.text("actor").pipe(Options.optional, Options.withDescription("Who repairs, for the record")),
  yes: Options.boolean("yes").pipe(Options.withDescription("Do repair")),
}

const milliseconds = (name: string, text: string) =>
  Option.match(Duration.decodeUnknown(text), {
    onNone: () => new WrongUse({ message: `--${name} must be a duration such as "90 seconds" or "15 minutes".` }),
    onSome: (value) => Effect.succeed(Duration.toMillis(value)),
  })

/** `tandem-reconcile`: fails with `Disagreement` after a report with findings. */
export const command = Command.make("tandem-reconcile", options, (given) =>
  Effect.gen(function* () {
    const actor = Option.getOrElse(given.actor, () => "")
    if (given.repair.length > 0 && actor.trim() === "") {
      return yield* new WrongUse({ message: "--repair needs --actor, the name that goes into the record." })
    }
    if (given.limit < 1) return yield* new WrongUse({ message: "--limit must be 1 or more." })
    const checking: CheckOptions = {
      paymentTimeout: yield* milliseconds("payment-timeout", given.paymentTimeout),
      settleGrace: yield* milliseconds("settle-grace", given.settleGrace),
      outboxLimit: yield* milliseconds("outbox-limit", given.outboxLimit),
      recheckAfter: yield* milliseconds("recheck-after", given.recheckAfter),
      limit: given.limit,
    }
    const report = yield* Effect.scoped(
      Effect.gen(function* () {
        const orders = yield* connect("order", given.orders)
        const payments = yield* connect("payment", given.payments)
        return yield* check({ orders, payments }, checking)
      }),
    )
    const repairs: Record<string, number> = {}
    if (given.yes) {
      for (const kind of new Set(given.repair)) {
        const found = report.findings.filter((finding) => finding.kind === kind)
        const url = kind === "unheard-decision" ? given.payments : given.orders
        repairs[kind] = yield* repairIn(
          url,
          kind,
          found.flatMap(({ ids }) => ids["orderId"] ?? []),
          actor,
        )
      }
    }
    yield* Console.log(given.json ? toJson(report, repairs) : toText(report, repairs))
    if (given.repair.length > 0 && !given.yes) {
      return yield* new WrongUse({ message: "Nothing was repaired: say --yes as well to do it." })
    }
    if (report.findings.length > 0) return yield* new Disagreement()
  }),
).pipe(
  Command.withDescription(
    "Compares both databases and the ledger. Exit code 0: nothing disagrees; 1: findings; 2: could not check",
  ),
)

/** One database, one client, one fiber context: see `Snapshot`. */
const repairIn = (
  url: Redacted.Redacted,
  kind: (typeof repairableKinds)[number],
  orderIds: ReadonlyArray<string>,
  actor: string,
) =>
  repair(kind, orderIds, actor).pipe(
    Effect.provide(Layer.scoped(SqlClient.SqlClient, connect(kind === "unheard-decision" ? "payment" : "order", url))),
    Effect.mapError((fault) =>
      fault._tag === "CannotCheck"
        ? fault
        : new WrongUse({ message: `The repair of ${kind} failed: ${innermost(fault)}.` }),
    ),
  )
