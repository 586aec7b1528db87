import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect } from "effect"
import { command } from "./Commands.js"

/** 0: done. 1: some letters were left alone. 2: could not. */
const exitCodes = { done: 0, notAll: 1, failed: 2 } as const

const run = Command.run(command, { name: "tandem-messaging", version: "0.1.0" })

run(process.argv).pipe(
  Effect.as<number>(exitCodes.done),
  Effect.catchTag("NotAll", () => Effect.succeed(exitCodes.notAll)),
  Effect.catchAllCause((cause) => {
    if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
    return Effect.sync(() => {
      const failures = [...Cause.failures(cause)]
      // The command line's own faults were printed with their explanation.
      for (const fault of failures)
        if (!ValidationError.isValidationError(fault)) process.stderr.write(`${fault.message}\n`)
      if (failures.length === 0) process.stderr.write(`Could not, for an unexpected reason: ${Cause.squash(cause)}\n`)
      return exitCodes.failed
    })
  }),
  Effect.tap((code) =>
    Effect.sync(() => {
      process.exitCode = code
    }),
  ),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain({ disableErrorReporting: true }),
)
