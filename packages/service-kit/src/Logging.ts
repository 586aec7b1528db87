import { Config, Effect, Layer, Logger, LogLevel } from "effect"

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

/** The one logger of a process, on stdout. */
export const layer = Layer.unwrapEffect(
  Effect.map(LoggingConfig, ({ format, level }) => {
    const pretty = format._tag === "Some" ? format.value === "pretty" : process.stdout.isTTY === true
    return Layer.merge(
      Logger.replace(
        Logger.defaultLogger,
        pretty ? Logger.prettyLoggerDefault : Logger.withConsoleLog(Logger.jsonLogger),
      ),
      Logger.minimumLogLevel(level),
    )
  }),
)
