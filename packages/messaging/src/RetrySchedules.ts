import { Duration, Schedule } from "effect"

const capped = (most: Duration.DurationInput) =>
  Schedule.delayed(Schedule.exponential("50 millis"), (delay) => Duration.min(delay, most))

/** 50 ms, doubled up to 2 s, jittered, for ever; from the start again when nothing failed for 10 s. */
const patient = Schedule.resetAfter(Schedule.jittered(capped("2 seconds")), "10 seconds")

/** Publishing and reading the outbox: an outage may last any time. */
export const relay = patient

/** Joining a consumer group anew after its stream failed. */
export const subscription = patient

/**
 * A batch that failed for a technical reason (database gone, serialization, a missed version): at once, then jittered from
 * 50 ms up to 2 s, for ever. The partition waits meanwhile, for later messages must not overtake.
 */
export const technicalFault = Schedule.andThen(Schedule.recurs(1), Schedule.jittered(capped("2 seconds")))
