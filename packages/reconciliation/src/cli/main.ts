import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Effect } from "effect"
import { command } from "./Command.js"

/** 0: nothing disagrees. 1: findings. 2: could not check, or a repair could not be done. */
const exitCodes = { clean: 0, findings: 1, failed: 2 } as const

const run = Command.run(command, { name: "tandem-reconcile", version: "0.1.0" })

run(process.argv).pipe(
  Effect.as<number>(exitCodes.clean),
  Effect.catchTag("Disagreement", () => Effect.succeed(exitCodes.findings)),
  Effect.catchAllCause((cause) => {
    if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
    return Effect.sync(() => {
      const failures = [...Cause.failures(cause)]
      // The command line's own faults were printed with their explanation.
      for (const fault of failures)
        if (!ValidationError.isValidationError(fault)) process.stderr.write(`${fault.message}\n`)
      if (failures.length === 0)
        process.stderr.write(`Could not check, for an unexpected reason: ${Cause.squash(cause)}\n`)
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
