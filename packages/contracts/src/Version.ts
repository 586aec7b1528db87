import { Schema } from "effect"

/** Which state of something is shown: 1, then one more with each change. */
export const Version = Schema.Int.pipe(Schema.positive()).annotations({
  identifier: "Version",
  jsonSchema: { type: "integer", minimum: 1, description: "1, then one more with each change", examples: [2] },
})
