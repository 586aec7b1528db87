import { createServer, type Socket, connect as toServer } from "node:net"
import { Effect } from "effect"

/** A way to the database that can be stopped without closing anything: what a process stopped by SIGSTOP looks like from outside. */
export interface FreezableLink {
  /** The database's URL, by way of the link. */
  readonly url: string
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
}

export const make = (url: string) =>
  Effect.acquireRelease(
    Effect.async<FreezableLink & { readonly close: () => void }>((resume) => {
      const target = new URL(url)
      const sockets = new Set<Socket>()
      let isFrozen = false
      const each = (change: (socket: Socket) => void) =>
        Effect.sync(() => {
          for (const socket of sockets) change(socket)
        })
      const server = createServer((inside) => {
        const outside = toServer(Number(target.port), target.hostname)
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
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const own = new URL(url)
        own.hostname = "127.0.0.1"
        own.port = String(typeof address === "object" && address !== null ? address.port : 0)
        const set = (frozen: boolean) =>
          Effect.sync(() => {
            isFrozen = frozen
          })
        resume(
          Effect.succeed({
            url: own.href,
            freeze: Effect.zipRight(
              set(true),
              each((socket) => socket.pause()),
            ),
            thaw: Effect.zipRight(
              set(false),
              each((socket) => socket.resume()),
            ),
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
