import { createServer, type Socket, connect as toServer } from "node:net"
import { Effect, type Scope } from "effect"

/** A way to a server that can be stopped without closing anything: what a process stopped by SIGSTOP looks like from outside. */
export interface FreezableLink {
  /** Where the link listens, on 127.0.0.1. */
  readonly port: number
  /** No byte passes any more in either direction, and no connection ends. */
  readonly freeze: Effect.Effect<void>
  /** What waited passes, and all that follows. */
  readonly thaw: Effect.Effect<void>
}

/** A link to a server, which need not be there yet, for as long as the scope. */
export const make = (target: {
  readonly host: string
  readonly port: number
}): Effect.Effect<FreezableLink, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<FreezableLink & { readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      let isFrozen = false
      const set = (frozen: boolean) =>
        Effect.sync(() => {
          isFrozen = frozen
          for (const socket of sockets) frozen ? socket.pause() : socket.resume()
        })
      const server = createServer((inside) => {
        const outside = toServer(target.port, target.host)
        for (const [socket, other] of [
          [inside, outside],
          [outside, inside],
        ] as const) {
          sockets.add(socket)
          socket.on("data", (bytes) => other.write(bytes))
          socket.on("error", () => other.destroy())
          socket.on("close", () => {
            sockets.delete(socket)
            other.destroy()
          })
          if (isFrozen) socket.pause()
        }
      })
      server.on("error", (error) => resume(Effect.die(error)))
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(
          Effect.succeed({
            port: typeof address === "object" && address !== null ? address.port : 0,
            freeze: set(true),
            thaw: set(false),
            close: () => {
              server.close()
              for (const socket of sockets) socket.destroy()
            },
          }),
        )
      })
    }),
    ({ close }) => Effect.sync(close),
  )
