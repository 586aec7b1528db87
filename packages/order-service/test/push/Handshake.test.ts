import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { database } from "../sql/database.js"
import { handshake, listen, speak, startHub, until } from "./hub.js"

const problemOf = (answer: string): unknown => JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4))

describe("the handshake", () => {
  it.scopedLive("survives a request target that is no URL", () =>
    Effect.gen(function* () {
      const { port } = yield* startHub()
      const odd = ["//[", "//", "/\\", "http://[", "http://a:b", "*", "/ws?userId=%", "/ws?userId=%ff"]
      const spoken = odd.map((target) => speak(port, handshake(port, target)))
      // The last two are of this path, so they are answered here; the others are for whoever else listens.
      yield* until(() => spoken.slice(-2).every(({ end }) => end.closed))
      for (const { end } of spoken.slice(-2)) expect(end.answer).toContain("HTTP/1.1 400")
      for (const { socket } of spoken) socket.destroy()
      const { frames } = listen(port, "userId=1")
      yield* until(() => frames.length === 1)
    }).pipe(Effect.provide(database)),
  )

  const malformed = {
    "without a key": { drop: "Sec-WebSocket-Key", status: 400, type: "invalid-request" },
    "without a version": { drop: "Sec-WebSocket-Version", status: 400, type: "invalid-request" },
    "with a method other than GET": { method: "POST", status: 405, type: "method-not-allowed" },
  }
  for (const [name, { status, type, ...change }] of Object.entries(malformed)) {
    it.scopedLive(`answers a handshake ${name} with a problem`, () =>
      Effect.gen(function* () {
        const { port } = yield* startHub()
        const lines = handshake(port, "/ws?userId=1", "method" in change ? change.method : "GET")
        const { end } = speak(port, "drop" in change ? lines.filter((line) => !line.startsWith(change.drop)) : lines)
        yield* until(() => end.closed)
        expect(end.answer).toContain("content-type: application/problem+json")
        expect(problemOf(end.answer)).toMatchObject({ type: `urn:tandem:problem:${type}`, status })
        if (status === 405) expect(end.answer).toMatch(/^allow: GET\r$/im)
      }).pipe(Effect.provide(database)),
    )
  }
})
