import * as Cursor from "@tandem/service-kit/Cursor"
import { Effect, Option } from "effect"
import { describe, expect, it } from "vitest"

const id = "01936f4e-8f2a-7c3b-9d4e-5f6071829304"
const list = ["orders", "1", "FINISHED"]

describe("a cursor", () => {
  it("leads back to the position that it was made of", () => {
    expect(Cursor.decode(list, Cursor.encode(list, id))).toEqual(Option.some(id))
  })

  it("is good for its own list only", () => {
    for (const other of [
      ["orders", "2", "FINISHED"],
      ["orders", "1", ""],
      ["transfers", "1", "FINISHED"],
      ["orders"],
    ]) {
      expect(Cursor.decode(other, Cursor.encode(list, id))).toEqual(Option.none())
    }
  })

  it("is known for no cursor when one character of it is another, is gone or is too many", () => {
    const cursor = Cursor.encode(list, id)
    const changed = [...cursor].flatMap((character, index) => [
      `${cursor.slice(0, index)}${character === "A" ? "B" : "A"}${cursor.slice(index + 1)}`,
      `${cursor.slice(0, index)}${cursor.slice(index + 1)}`,
      `${cursor.slice(0, index)}-${cursor.slice(index)}`,
    ])
    const accepted = [...changed, `${cursor}=`, ` ${cursor}`, `${cursor}\n`, "", ".", "\ud800"].filter(
      (text) => text !== cursor && Option.isSome(Cursor.decode(list, text)),
    )
    expect(accepted).toEqual([])
  })

  it("may be absent or empty, and is an invalid parameter when its position is none", async () => {
    const accept = Option.liftPredicate((position: string) => position === id)
    const read = (cursor: string | undefined) =>
      Effect.runPromise(Effect.flip(Effect.flip(Cursor.read(list, cursor, accept))))
    expect(await read(undefined)).toBeUndefined()
    expect(await read("")).toBeUndefined()
    expect(await read(Cursor.encode(list, id))).toBe(id)
    const refused = await Effect.runPromise(Effect.flip(Cursor.read(list, Cursor.encode(list, "other"), accept)))
    expect(refused.errors).toEqual([{ parameter: "cursor", detail: expect.any(String) }])
  })
})

describe("a page", () => {
  it("has a next one only when a row more than its limit was found", () => {
    const page = (rows: ReadonlyArray<string>) => Cursor.page(list, rows, 2, (row) => row)
    expect(page(["c", "b", "a"])).toEqual({ items: ["c", "b"], next: Cursor.encode(list, "b") })
    expect(page(["c", "b"])).toEqual({ items: ["c", "b"], next: null })
    expect(page([])).toEqual({ items: [], next: null })
  })
})
