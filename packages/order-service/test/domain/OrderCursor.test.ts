import { Option } from "effect"
import { describe, expect, it } from "vitest"
import * as OrderCursor from "../../src/domain/OrderCursor.js"

const id = "01936f4e-8f2a-7c3b-9d4e-5f6071829304"

describe("the cursor of a page of orders", () => {
  it("leads back to the order that it was made of", () => {
    expect(OrderCursor.decode(OrderCursor.encode(id))).toEqual(Option.some(id))
  })

  it.each(["x", "%", id, Buffer.from(id).toString("base64url"), Buffer.from("o:1").toString("base64url")])(
    "does not take %s for one",
    (text) => {
      expect(OrderCursor.decode(text)).toEqual(Option.none())
    },
  )
})
