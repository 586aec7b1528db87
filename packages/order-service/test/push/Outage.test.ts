import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { DatabaseLink, linkedDatabase } from "./DatabaseLink.js"
import { append, listen, numbers, startHub, until } from "./hub.js"

describe("while the database is away", () => {
  it.scopedLive("a client that connects waits for its welcome, and then gets everything", () =>
    Effect.gen(function* () {
      const link = yield* DatabaseLink
      const { port } = yield* startHub()
      yield* link.elsewhere(append("1", 450))
      link.cut()
      const before = link.attempts()
      const { socket, frames, seqs } = listen(port, "userId=1&after=20")
      yield* until(() => link.attempts() >= before + 3)
      expect([socket.readyState, frames]).toEqual([socket.OPEN, []])
      link.restore()
      yield* until(() => seqs().length === 430)
      expect(frames[0]).toEqual({ type: "welcome", userId: "1", seq: 20, recovered: true })
      expect(seqs()).toEqual(numbers(21, 450))
    }).pipe(Effect.provide(linkedDatabase)),
  )

  it.scopedLive("a gap is not jumped: the client waits for what is missing", () =>
    Effect.gen(function* () {
      const link = yield* DatabaseLink
      const { hub, port } = yield* startHub()
      const { frames, seqs, end } = listen(port, "userId=1")
      yield* until(() => frames.length === 1)
      const told = yield* link.elsewhere(append("1", 5))
      link.cut()
      const before = link.attempts()
      yield* hub.announce(told.slice(0, 2))
      yield* hub.announce(told.slice(3))
      yield* until(() => link.attempts() >= before + 2)
      expect(seqs()).toEqual([1, 2])
      yield* link.elsewhere(append("1", 2))
      link.restore()
      yield* until(() => seqs().length === 7)
      expect(seqs()).toEqual(numbers(1, 7))
      expect(end.code).toBeUndefined()
    }).pipe(Effect.provide(linkedDatabase)),
  )

  it.scopedLive("the counters are looked at again once it is back", () =>
    Effect.gen(function* () {
      const link = yield* DatabaseLink
      const { port } = yield* startHub()
      const { frames, seqs } = listen(port, "userId=1")
      yield* until(() => frames.length === 1)
      link.cut()
      const before = link.attempts()
      yield* until(() => link.attempts() > before)
      yield* link.elsewhere(append("1", 2))
      link.restore()
      yield* until(() => seqs().length === 2)
    }).pipe(Effect.provide(linkedDatabase)),
  )

  it.scopedLive("nobody goes on asking for a client that has left", () =>
    Effect.gen(function* () {
      const link = yield* DatabaseLink
      const { port } = yield* startHub()
      yield* link.elsewhere(append("1", 1))
      link.cut()
      const before = link.attempts()
      const clients = numbers(1, 20).map(() => listen(port, "userId=1&after=0"))
      yield* until(() => link.attempts() >= before + 20)
      for (const { socket } of clients) socket.terminate()
      yield* until(() => clients.every(({ end }) => end.code !== undefined))
      // The longest pause between two attempts is 2.4 s: who is silent for longer has given up.
      let seen = link.attempts()
      let since = Date.now()
      yield* until(() => {
        if (link.attempts() !== seen) since = Date.now()
        seen = link.attempts()
        return Date.now() - since > 4_000
      })
    }).pipe(Effect.provide(linkedDatabase)),
  )
})
