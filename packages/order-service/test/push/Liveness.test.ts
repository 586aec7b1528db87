import { describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { expect } from "vitest"
import { database } from "../sql/database.js"
import { handshake, listen, speak, startHub, untilInRealTime } from "./hub.js"

describe("pings", () => {
  it.scoped("end a connection that does not answer within 25 s, and no other", () =>
    Effect.gen(function* () {
      const { port } = yield* startHub()
      const healthy = listen(port, "userId=1")
      let pings = 0
      let pongs = 0
      healthy.socket.on("ping", () => pings++)
      healthy.socket.on("pong", () => pongs++)
      const silent = speak(port, handshake(port, "/ws?userId=1"))
      yield* untilInRealTime(() => healthy.frames.length === 1 && silent.end.answer.includes("welcome"))

      for (let round = 1; round <= 2; round++) {
        expect(silent.end.closed).toBe(false)
        yield* TestClock.adjust("25 seconds")
        yield* untilInRealTime(() => pings === round)
        // An answer to its own ping tells that the server has read the pong that went before it.
        healthy.socket.ping()
        yield* untilInRealTime(() => pongs === round)
      }
      yield* untilInRealTime(() => silent.end.closed)
      yield* TestClock.adjust("25 seconds")
      yield* untilInRealTime(() => pings === 3)
      expect(healthy.end.code).toBeUndefined()
    }).pipe(Effect.provide(database)),
  )
})
