import { Schema } from "effect"

/** A moment as RFC 3339 in UTC with milliseconds, `2026-01-31T12:00:00.000Z`. */
export const Timestamp = Schema.String.annotations({
  identifier: "Timestamp",
  jsonSchema: {
    type: "string",
    format: "date-time",
    description: "A moment in UTC, to the millisecond",
    examples: ["2026-01-31T12:00:00.000Z"],
  },
})
