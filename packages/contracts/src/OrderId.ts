import { Schema } from "effect"

const canonical = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** An order's id: a UUIDv7 in its canonical lower-case form, so that ids sort by the time of creation. */
export const OrderId = Schema.String.pipe(Schema.pattern(canonical)).annotations({
  identifier: "OrderId",
  jsonSchema: {
    type: "string",
    format: "uuid",
    pattern: canonical.source,
    description: "An order's id, a UUIDv7 in lower case",
    examples: ["01936f4e-8f2a-7c3b-9d4e-5f6071829304"],
  },
  message: () => ({ message: "must be a UUIDv7", override: true }),
})

/** An order's id. */
export type OrderId = typeof OrderId.Type
