import { Context, Data, Duration, Effect, Layer, Redacted, Schedule, type Scope } from "effect"
import { Client } from "pg"

/** A frame on its way to the other instances: a hint, for the table has it. */
export interface Hint {
  readonly userId: string
  readonly seq: number
  /** The frame as it is sent to clients. */
  readonly text: string
}

/** What an instance does with what it hears. */
export interface Listener {
  readonly onHint: (userId: string, seq: number, text: string) => void
  /** It hears the others from now on; what was said before is lost. */
  readonly onReady: Effect.Effect<void>
}

const channel = "tandem_push"

/** The longest payload that PostgreSQL takes has 7,999 bytes. */
const maximumPayload = 7_900

/** More hints than that wait only when the database is slow: they are dropped, for by then the table is read anyway. */
const maximumWaiting = 10_000

/** What an instance says only to be heard: that there is somebody who wants to be told. */
const presence = "here"

/** How often each says so. It also tries the connection, for one whose server has vanished is silent for ever. */
const liveness = Duration.seconds(5)

/** Of that, so many times without a word from anybody else, and the instance takes itself to be alone. */
const maximumSilence = 3

/** 100 ms, doubled up to 5 s, jittered, for ever. */
const untilConnected = Schedule.jittered(
  Schedule.delayed(Schedule.exponential("100 millis"), (delay) => Duration.min(delay, "5 seconds")),
)

/**
 * How the instances of the service tell each other what they have committed: by NOTIFY, on one connection of each that does nothing else.
 * Not in the transaction that settles, whose commit would wait for everybody else's (docs/performance.md). One that hears of no others tells
 * nothing. Hints may be lost; whoever needs what they say reads the table.
 */
export class Instances extends Context.Tag("@tandem/order-service/Instances")<
  Instances,
  {
    /** Tells the others. Never waits. */
    readonly tell: (hints: ReadonlyArray<Hint>) => void
    /** Hears the others for as long as the scope. */
    readonly listen: (listener: Listener) => Effect.Effect<void, never, Scope.Scope>
  }
>() {
  /** By way of the service's database. */
  static readonly layer = (options: {
    readonly url: Redacted.Redacted
    /** How the connection is called in `pg_stat_activity`. */
    readonly applicationName: string
  }): Layer.Layer<Instances> => Layer.sync(Instances, () => make(Redacted.value(options.url), options.applicationName))

  /** There are no others. */
  static readonly none: Layer.Layer<Instances> = Layer.succeed(Instances, {
    tell: () => undefined,
    listen: () => Effect.void,
  })
}

/** The connection that hears the others has ended, or could not be had. */
class Deaf extends Data.TaggedError("Deaf")<{ readonly cause: unknown }> {}

const deaf = (cause: unknown) => new Deaf({ cause })

const make = (url: string, applicationName: string): Context.Tag.Service<Instances> => {
  let connected: Client | undefined
  let waiting: Array<string> = []
  let sending = false
  /** How often it has said that it is here since it heard from another. */
  let silence = 0

  const send = () => {
    const client = connected
    if (client === undefined || sending || waiting.length === 0) return
    sending = true
    const payloads = packed(waiting)
    waiting = []
    client
      .query({
        name: "tell",
        text: `SELECT pg_notify('${channel}', hints) FROM unnest($1::text[]) AS hints`,
        values: [payloads],
      })
      // Lost hints are healed, and a lost connection is told by its end.
      .catch(() => undefined)
      .finally(() => {
        sending = false
        send()
      })
  }

  const tell = (hints: ReadonlyArray<Hint>) => {
    if (connected === undefined || silence > maximumSilence || hints.length === 0) return
    if (waiting.length + hints.length > maximumWaiting) waiting = []
    for (const { userId, seq, text } of hints) waiting.push(`${userId} ${seq} ${text}`)
    send()
  }

  /** One connection, until it ends. Its transactions hold nothing but hints, so that no commit waits for the disk. */
  const session = (listener: Listener) =>
    Effect.scoped(
      Effect.gen(function* () {
        const client = yield* Effect.acquireRelease(
          Effect.sync(
            () =>
              new Client({
                connectionString: url,
                application_name: applicationName,
                connectionTimeoutMillis: 5_000,
                query_timeout: 5_000,
                keepAlive: true,
                options: "-c synchronous_commit=off",
              }),
          ),
          (client) =>
            Effect.sync(() => {
              if (connected === client) connected = undefined
              client.end().catch(() => undefined)
            }),
        )
        const ended = Effect.async<never, Deaf>((resume) => {
          client.once("error", (fault) => resume(deaf(fault)))
          client.once("end", () => resume(deaf("the connection has ended")))
        })
        const query = (text: string) => Effect.tryPromise({ try: () => client.query(text), catch: deaf })
        client.on("notification", ({ payload = "", processId }) => {
          // PostgreSQL tells everybody, whoever has spoken too.
          if (processId === (client as unknown as { readonly processID: number }).processID) return
          silence = 0
          hear(payload, listener)
        })
        const sayHere = Effect.suspend(() => {
          silence++
          return query(`NOTIFY ${channel}, '${presence}'`)
        })
        const use = Effect.gen(function* () {
          yield* Effect.tryPromise({ try: () => client.connect(), catch: deaf })
          yield* query(`LISTEN ${channel}`)
          // There may be others until they have had the time to say so.
          silence = 0
          connected = client
          yield* listener.onReady
          yield* Effect.repeat(sayHere, Schedule.spaced(liveness))
        })
        return yield* Effect.raceFirst(ended, use)
      }),
    )

  const listen = (listener: Listener) =>
    session(listener).pipe(
      Effect.tapError((fault) => Effect.logDebug("the other instances are not heard for now", fault)),
      Effect.retry(untilConnected),
      Effect.withTracerEnabled(false),
      Effect.forkScoped,
      Effect.asVoid,
    )

  return { tell, listen }
}

/** As few payloads as the hints fit into, one a line. */
const packed = (hints: ReadonlyArray<string>): ReadonlyArray<string> => {
  const payloads: Array<string> = []
  let payload = ""
  for (const hint of hints) {
    // Frames are ASCII but for what a contract may add one day; a hint that does not fit is left to the table.
    if (Buffer.byteLength(hint) > maximumPayload) continue
    if (payload !== "" && Buffer.byteLength(payload) + Buffer.byteLength(hint) >= maximumPayload) {
      payloads.push(payload)
      payload = ""
    }
    payload += payload === "" ? hint : `\n${hint}`
  }
  return payload === "" ? payloads : [...payloads, payload]
}

const hear = (payload: string, { onHint }: Listener): void => {
  for (const line of payload.split("\n")) {
    const parts = /^([A-Za-z0-9_-]{1,64}) ([1-9]\d*) (\{.*\})$/.exec(line)
    if (parts?.[1] !== undefined && parts[3] !== undefined) onHint(parts[1], Number(parts[2]), parts[3])
  }
}
