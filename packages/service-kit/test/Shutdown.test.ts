import { Agent, request } from "node:http"
import { connect } from "node:net"
import { expect, it } from "@effect/vitest"
import { NodeServer } from "@tandem/service-kit/NodeServer"
import { Effect, Exit, Fiber, Layer, Scope } from "effect"
import { ask, serve, until } from "./server.js"

it.live(
  "shutdown finishes the requests under way, refuses new connections and keeps nobody waiting for idle ones",
  () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { port, server } = yield* Scope.extend(serve(), scope)
      const agent = new Agent({ keepAlive: true })
      yield* Effect.async<void>((resume) => {
        request({ port, host: "127.0.0.1", path: "/plain", agent }, (response) => {
          response.resume().on("end", () => resume(Effect.void))
        }).end()
      })
      let arrived = false
      server.once("request", () => {
        arrived = true
      })
      const slow = yield* Effect.fork(ask(port, "/plain/slow", { headers: { connection: "keep-alive" } }))
      yield* until(() => arrived)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* until(() => !server.listening)
      expect(yield* Effect.flip(ask(port, "/plain"))).toMatchObject({ code: "ECONNREFUSED" })
      const answer = yield* Fiber.join(slow)
      expect([answer.status, answer.text, answer.headers["connection"]]).toEqual([200, "late", "close"])
      yield* Fiber.join(closing)
      agent.destroy()
    }),
)

it.live("a socket that was upgraded does not hold up the shutdown, its owner closes it", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const { port, server } = yield* Scope.extend(serve(), scope)
    let upgraded = false
    server.on("upgrade", () => {
      upgraded = true
    })
    const socket = connect(port, "127.0.0.1").on("error", () => socket.destroy())
    socket.write("GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    yield* until(() => upgraded)
    yield* Scope.close(scope, Exit.void)
    expect(server.listening).toBe(false)
    socket.destroy()
  }),
)

it.scopedLive("a port in use is told in a sentence", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    const second = Effect.flatMap(NodeServer, ({ listen }) => listen)
    const options = { host: "127.0.0.1", port, corsOrigins: [] }
    const fault = yield* Effect.flip(Effect.provide(second, Layer.fresh(NodeServer.layer(options))))
    expect(fault.message).toBe(
      `Something else listens on port ${port} of 127.0.0.1 already: stop it, or choose another PORT.`,
    )
  }),
)
