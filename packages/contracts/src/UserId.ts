import { Schema } from "effect"

/** Who orders and pays: 1 to 64 of `A–Z a–z 0–9 _ -`. The number 1 in a URL is the user `"1"`. */
export const UserId = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{1,64}$/)).annotations({
  identifier: "UserId",
  description: "1 to 64 letters, digits, underscores or hyphens",
  message: () => ({ message: "must be 1 to 64 letters, digits, underscores or hyphens", override: true }),
  examples: ["1"],
})

/** Who orders and pays. */
export type UserId = typeof UserId.Type
