import { describe, it } from "@effect/vitest"
import { NodeServer } from "@tandem/service-kit/NodeServer"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { expect } from "vitest"
import { PushHub } from "../../src/push/PushHub.js"
import { database } from "../sql/database.js"
import { append, handshake, listen, numbers, speak, startHub, until } from "./hub.js"

describe("a connection that is closed", () => {
  it.scopedLive("by the client's own fault ends without a reset, so that 1009 arrives", () =>
    Effect.gen(function* () {
      const { port } = yield* startHub()
      const { socket, end } = speak(port, handshake(port, "/ws?userId=1"))
      let fault: Error | undefined
      socket.on("error", (error) => {
        fault = error
      })
      yield* until(() => end.answer.includes("welcome"))
      // A masked binary frame of 8 MB, more than is read at once; and a proper close after it.
      const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x80, 0, 0, 1, 2, 3, 4])
      socket.write(Buffer.concat([header, Buffer.alloc(8 * 1024 * 1024)]))
      yield* until(() => end.answer.includes("\x88\x02\x03\xf1"))
      socket.end()
      yield* until(() => end.closed)
      expect(fault).toBeUndefined()
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("by the end of the service says 1012, to everybody", () =>
    Effect.gen(function* () {
      const { port, stop } = yield* startHub()
      yield* append("1", 300)
      const clients = numbers(1, 100).map((index) => listen(port, `userId=${index % 3}&after=0`))
      yield* until(() => clients.every(({ frames }) => frames.length > 0))
      yield* stop
      yield* until(() => clients.every(({ end }) => end.code !== undefined))
      expect(new Set(clients.map(({ end }) => end.code))).toEqual(new Set([1012]))
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("by the end of the service is waited for, but not when it never says goodbye", () =>
    Effect.gen(function* () {
      const running = yield* Deferred.make<{
        port: number
        connections: Effect.Effect<number>
      }>()
      // As `ServiceMain` does it: a signal interrupts the fiber that runs the layers.
      const service = Layer.scopedDiscard(
        Effect.gen(function* () {
          const { listen, server } = yield* NodeServer
          const { port } = yield* listen
          const connections = Effect.async<number>((resume) => {
            server.getConnections((_, count) => resume(Effect.succeed(count)))
          })
          yield* Deferred.succeed(running, { port, connections })
        }),
      ).pipe(
        Layer.provide(PushHub.layer),
        Layer.provide(NodeServer.layer({ host: "127.0.0.1", port: 0, corsOrigins: [] })),
      )
      const fiber = yield* Effect.fork(Layer.launch(service))
      const { port, connections } = yield* Deferred.await(running)
      const polite = listen(port, "userId=1")
      const rude = speak(port, handshake(port, "/ws?userId=1"))
      yield* until(() => polite.frames.length === 1 && rude.end.answer.includes("welcome"))
      yield* Fiber.interrupt(fiber)
      expect(polite.end.code).toBe(1012)
      yield* until(() => rude.end.closed)
      expect(rude.end.answer).toContain("\x88\x16\x03\xf4the service restarts")
      expect(yield* connections).toBe(0)
    }).pipe(Effect.provide(database)),
  )
})
