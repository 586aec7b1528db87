import { Duration, Schedule } from "effect"

/** 50 ms, doubled up to 1 s, jittered, for ever: a subscription outlives any outage of its database. */
export const outage = Schedule.jittered(
  Schedule.delayed(Schedule.exponential("50 millis"), (delay) => Duration.min(delay, "1 second")),
)
