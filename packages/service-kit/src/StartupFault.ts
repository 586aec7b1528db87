import { Cause, ConfigError } from "effect"

/** Why a service does not start, for a person at a terminal: a sentence a line, no stack traces and no values, for some are secrets. */
export const explain = (service: string, cause: Cause.Cause<unknown>): string => {
  const failures = [...Cause.failures(cause)]
  const lines = failures.flatMap((failure) =>
    ConfigError.isConfigError(failure) ? variables(failure).map((line) => `  ${line}`) : [sentence(failure)],
  )
  const isConfig = failures.some(ConfigError.isConfigError)
  if (lines.length === 0) return `${service} stopped for an unexpected reason, which is in its log.`
  return [
    isConfig ? `${service} cannot start, its configuration is wrong:` : `${service} cannot start:`,
    ...new Set(lines),
  ].join("\n")
}

const sentence = (failure: unknown): string =>
  failure instanceof Error && failure.message !== "" ? failure.message : String(failure)

const variables = (error: ConfigError.ConfigError): ReadonlyArray<string> => {
  switch (error._op) {
    case "And":
    case "Or":
      return [...variables(error.left), ...variables(error.right)]
    case "MissingData":
      return [`${error.path.join("_")} is not set.`]
    case "InvalidData":
    case "SourceUnavailable":
    case "Unsupported":
      // Effect's own messages end with the value.
      return [`${error.path.join("_")} ${error.message.replace(/,? but (received|got|found)[\s\S]*$/, "")}.`]
  }
}
