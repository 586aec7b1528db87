import { userInfo } from "node:os"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { SqlClient } from "@effect/sql"
import * as DeadLetters from "@tandem/messaging/DeadLetters"
import { Array, Console, Data, Effect, Option } from "effect"
import { databaseUrl, Refused, withDatabase } from "./Database.js"
import { toJson, toLine, toPage } from "./LetterText.js"

/** Some letters were not in a state for what was asked; which ones has been printed. */
export class NotAll extends Data.TaggedError("NotAll") {}

const json = Options.boolean("json").pipe(Options.withDescription("Print JSON"))
const actor = Options.text("actor").pipe(
  Options.withDefault(userInfo().username),
  Options.withDescription("Who does it, for the record; the user of the system when absent"),
)
const consumer = Options.text("consumer").pipe(
  Options.optional,
  Options.withDescription("Only this consumer's letters"),
)
const letterId = Args.text({ name: "id" })

const checkedIds = (ids: ReadonlyArray<string>) =>
  Option.match(
    Array.findFirst(ids, (id) => !/^[1-9]\d{0,17}$/.test(id)),
    {
      onNone: () => Effect.succeed(ids),
      onSome: (id) => new Refused({ message: `"${id}" is no letter's id: ids are whole numbers.` }),
    },
  )

const list = Command.make(
  "list",
  {
    url: databaseUrl,
    consumer,
    topic: Options.text("topic").pipe(Options.optional, Options.withDescription("Only letters from this topic")),
    status: Options.choice("status", ["pending", "replay-requested", "replayed", "discarded"] as const).pipe(
      Options.optional,
      Options.withDescription("Only letters in this state"),
    ),
    since: Options.date("since").pipe(Options.optional, Options.withDescription("Only letters since this moment")),
    after: Options.text("after").pipe(
      Options.optional,
      Options.withDescription("Only letters after this id: the next page"),
    ),
    limit: Options.integer("limit").pipe(
      Options.withDefault(50),
      Options.withDescription("The most letters; 50 when absent"),
    ),
    json,
  },
  ({ url, json: asJson, limit, ...given }) =>
    Effect.gen(function* () {
      if (limit < 1 || limit > 10_000) return yield* new Refused({ message: "--limit must be between 1 and 10000." })
      yield* checkedIds(Option.toArray(given.after))
      const filter = {
        limit,
        ...Option.match(given.consumer, { onNone: () => ({}), onSome: (one) => ({ consumer: one }) }),
        ...Option.match(given.topic, { onNone: () => ({}), onSome: (one) => ({ topic: one }) }),
        ...Option.match(given.status, { onNone: () => ({}), onSome: (one) => ({ status: one }) }),
        ...Option.match(given.since, { onNone: () => ({}), onSome: (one) => ({ since: one }) }),
        ...Option.match(given.after, { onNone: () => ({}), onSome: (one) => ({ after: one }) }),
      }
      const letters = yield* DeadLetters.list(filter).pipe(withDatabase(url))
      if (asJson)
        return yield* Console.log(
          JSON.stringify(
            letters.map((letter) => toJson(letter)),
            null,
            2,
          ),
        )
      if (letters.length === 0) return yield* Console.log("No letters.")
      for (const letter of letters) yield* Console.log(toLine(letter))
      if (letters.length === limit) yield* Console.log(`There may be more: --after ${letters.at(-1)?.id}`)
    }),
).pipe(Command.withDescription("The letters, oldest first"))

const show = Command.make("show", { url: databaseUrl, id: letterId, json }, ({ url, id, json: asJson }) =>
  Effect.gen(function* () {
    yield* checkedIds([id])
    const { letter, actions } = yield* Effect.all({
      letter: DeadLetters.find(id),
      actions: DeadLetters.actions(id),
    }).pipe(withDatabase(url))
    if (Option.isNone(letter)) return yield* new Refused({ message: `There is no letter ${id}.` })
    yield* Console.log(asJson ? JSON.stringify(toJson(letter.value, actions), null, 2) : toPage(letter.value, actions))
  }),
).pipe(Command.withDescription("Everything about one letter"))

const told = (done: ReadonlyArray<string>, wanted: ReadonlyArray<string>, what: string, not: string) =>
  Effect.gen(function* () {
    yield* Console.log(`${done.length} letter(s) ${what}.`)
    const others = wanted.filter((id) => !done.includes(id))
    if (others.length === 0) return
    yield* Console.error(`${not}: ${others.join(", ")}.`)
    return yield* new NotAll()
  })

const replay = Command.make(
  "replay",
  {
    url: databaseUrl,
    ids: Args.repeated(letterId),
    all: Options.boolean("all").pipe(Options.withDescription("Every pending letter of --consumer")),
    consumer,
    actor,
  },
  ({ url, ids, all, consumer: whose, actor: who }) =>
    Effect.gen(function* () {
      if (all === ids.length > 0)
        return yield* new Refused({ message: "Name the letters, or say --all --consumer NAME." })
      if (all && Option.isNone(whose)) return yield* new Refused({ message: "--all needs --consumer." })
      if (!all) {
        const marked = yield* Effect.flatMap(checkedIds(ids), (some) => DeadLetters.requestReplay(some, who)).pipe(
          withDatabase(url),
        )
        return yield* told(marked, ids, "marked: their consumer replays them", "Not pending, and left alone")
      }
      let count = 0
      yield* Effect.gen(function* () {
        while (true) {
          const page = yield* DeadLetters.list({
            ...(Option.isSome(whose) ? { consumer: whose.value } : {}),
            status: "pending",
            limit: 500,
          })
          if (page.length === 0) return
          count += (yield* DeadLetters.requestReplay(
            page.map(({ id }) => id),
            who,
          )).length
        }
      }).pipe(withDatabase(url))
      yield* Console.log(`${count} letter(s) marked: their consumer replays them.`)
    }),
).pipe(Command.withDescription("Ask the service's consumer to replay letters"))

const discard = Command.make(
  "discard",
  {
    url: databaseUrl,
    ids: Args.atLeast(letterId, 1),
    reason: Options.text("reason").pipe(Options.withDescription("Why, for the record")),
    actor,
  },
  ({ url, ids, reason, actor: who }) =>
    Effect.gen(function* () {
      if (reason.trim() === "") return yield* new Refused({ message: "--reason must say why." })
      const gone = yield* Effect.flatMap(checkedIds(ids), (some) => DeadLetters.discard(some, who, reason)).pipe(
        withDatabase(url),
      )
      yield* told(gone, ids, "discarded", "Resolved before, or not there, and left alone")
    }),
).pipe(Command.withDescription("Give letters up for good"))

interface OutboxRow {
  readonly depth: string
  readonly oldestSeconds: number | null
  readonly publisher: string | null
}

const outbox = Command.make("outbox", { url: databaseUrl, json }, ({ url, json: asJson }) =>
  Effect.gen(function* () {
    const [row] = yield* Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql<OutboxRow>`
        SELECT count(*) AS depth, extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS "oldestSeconds",
          (SELECT owner::text FROM relay_leases WHERE name = 'relay' AND expires_at > clock_timestamp()) AS publisher
        FROM outbox_events`,
    ).pipe(withDatabase(url))
    const state = {
      depth: Number(row?.depth ?? 0),
      oldestSeconds: row?.oldestSeconds ?? null,
      publisher: row?.publisher ?? null,
    }
    if (asJson) return yield* Console.log(JSON.stringify(state))
    const age = state.oldestSeconds === null ? "" : `, the oldest for ${state.oldestSeconds.toFixed(1)} s`
    yield* Console.log(`${state.depth} message(s) wait${age}.`)
    yield* Console.log(state.publisher === null ? "Nobody publishes." : `Relay ${state.publisher} publishes.`)
  }),
).pipe(Command.withDescription("How much waits to be published, for how long, and who publishes"))

/** `tandem-messaging`. */
export const command = Command.make("tandem-messaging").pipe(
  Command.withDescription(
    "Looks after what a service's messaging has set aside. Exit code 0: done; 1: some letters were left alone; 2: could not",
  ),
  Command.withSubcommands([
    Command.make("dead-letters").pipe(
      Command.withDescription("Messages that could not have their effect"),
      Command.withSubcommands([list, show, replay, discard]),
    ),
    outbox,
  ]),
)
