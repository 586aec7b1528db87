import { Schema } from "effect"

/** The largest amount of one command, in minor units. */
export const maximumAmount = 1_000_000_000_000

/** Money of one command in minor units (kopecks, cents): an integer, 1 ≤ amount ≤ 1,000,000,000,000. */
export const Amount = Schema.Int.pipe(
  Schema.between(1, maximumAmount, {
    message: () => `must be an integer of minor units between 1 and ${maximumAmount}`,
  }),
).annotations({
  identifier: "Amount",
  jsonSchema: {
    type: "integer",
    minimum: 1,
    maximum: maximumAmount,
    description: "Money of one command, in minor units",
    examples: [500],
  },
  message: () => ({ message: `must be an integer of minor units between 1 and ${maximumAmount}`, override: true }),
})

/** Money of one command in minor units. */
export type Amount = typeof Amount.Type

/** An {@link Amount} written in a URL: plain decimal digits, so `007`, `1e2`, `+5` and `1.0` are refused. */
export const AmountFromText = Schema.transform(
  Schema.String.pipe(Schema.pattern(/^[1-9][0-9]{0,12}$/)).annotations({
    message: () => ({
      message: `must be an integer of minor units between 1 and ${maximumAmount}, in plain digits`,
      override: true,
    }),
  }),
  Amount,
  { strict: true, decode: Number, encode: String },
).annotations({ jsonSchema: { type: "integer", minimum: 1, maximum: maximumAmount } })

/** A sum of money that an account holds, in minor units: 0 ≤ balance ≤ 2^53−1. */
export const Balance = Schema.NonNegativeInt.annotations({
  identifier: "Balance",
  jsonSchema: {
    type: "integer",
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: "Money that an account holds, in minor units",
    examples: [500],
  },
})
