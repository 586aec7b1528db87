import {
  Array as Arr,
  Cause,
  Config,
  Context,
  Effect,
  FiberRef,
  FiberRefs,
  HashMap,
  Inspectable,
  Layer,
  Logger,
  LogLevel,
  Option,
  Tracer,
} from "effect"

/** How the log looks and how much of it there is. */
export const LoggingConfig = Config.all({
  format: Config.literal(
    "json",
    "pretty",
  )("LOG_FORMAT").pipe(
    Config.option,
    Config.withDescription(
      "`json` (a line for each entry) or `pretty`; pretty on a terminal and json elsewhere when absent",
    ),
  ),
  level: Config.logLevel("LOG_LEVEL").pipe(
    Config.withDefault(LogLevel.Info),
    Config.withDescription("The least level that is logged"),
  ),
})

/**
 * A line of JSON for each entry: `timestamp`, `level`, `service`, `message`, what the entry is annotated with (`requestId` …), `traceId` and
 * `spanId` of the span it belongs to, and the `cause` of a failure.
 */
export const jsonLogger = (service: string) =>
  Logger.make<unknown, string>(({ annotations, cause, context, date, logLevel, message }) => {
    const span = Context.getOption(FiberRefs.getOrDefault(context, FiberRef.currentContext), Tracer.ParentSpan)
    const parts = Arr.ensure(message)
    const texts = parts.filter((part) => typeof part === "string")
    const others = parts.filter((part) => typeof part !== "string").map((part) => Inspectable.toJSON(part))
    return stringify({
      timestamp: date.toISOString(),
      level: logLevel.label,
      service,
      message: texts.join(" "),
      ...(others.length === 0 ? {} : { details: others }),
      ...Object.fromEntries(HashMap.toEntries(annotations)),
      ...(Option.isSome(span) && span.value.traceId.length === 32
        ? { traceId: span.value.traceId, spanId: span.value.spanId }
        : {}),
      ...(Cause.isEmpty(cause) ? {} : { cause: Cause.pretty(cause, { renderErrorCause: true }) }),
    })
  })

/** Whatever somebody logs must not make the log fail. */
const stringify = (entry: Readonly<Record<string, unknown>>): string => {
  const seen = new WeakSet<object>()
  return JSON.stringify(entry, (_, value: unknown) => {
    if (typeof value === "bigint") return String(value)
    if (typeof value !== "object" || value === null) return value
    if (seen.has(value)) return "[seen above]"
    seen.add(value)
    return value
  })
}

/** The one logger of a process, on stdout. */
export const layer = (service: string) =>
  Layer.unwrapEffect(
    Effect.map(LoggingConfig, ({ format, level }) => {
      const pretty = format._tag === "Some" ? format.value === "pretty" : process.stdout.isTTY === true
      return Layer.merge(
        Logger.replace(
          Logger.defaultLogger,
          pretty ? Logger.prettyLoggerDefault : Logger.withConsoleLog(jsonLogger(service)),
        ),
        Logger.minimumLogLevel(level),
      )
    }),
  )
