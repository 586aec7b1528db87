import { connect, createServer, type Socket } from "node:net"

/** A way to a server over TCP that can be disturbed. */
export interface Link {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number
  /** Ends every connection with a reset, and refuses new ones. */
  readonly cut: () => void
  /** No byte passes any more in either direction, and no connection ends: half-open, as after a machine has vanished. */
  readonly freeze: () => void
  /** Every byte takes so many ms longer, in each direction. */
  readonly slow: (ms: number) => void
  /** As if nothing had been. */
  readonly heal: () => void
  /** Ends it for good. */
  readonly close: () => void
}

/** A link to a port of 127.0.0.1, where nobody need listen yet. */
export const openLink = async (target: number): Promise<Link> => {
  const sockets = new Set<Socket>()
  let state: "open" | "cut" | "frozen" = "open"
  let delay = 0

  const forward = (from: Socket, to: Socket) => {
    let due = 0
    sockets.add(from)
    from.setNoDelay(true)
    from.on("data", (bytes) => {
      const now = performance.now()
      // In order, also while the delay changes.
      due = Math.max(due, now + delay)
      if (due - now < 1) write(bytes)
      else setTimeout(write, due - now, bytes)
    })
    const write = (bytes: Buffer) => {
      if (to.destroyed || to.write(bytes)) return
      from.pause()
      to.once("drain", () => {
        if (state !== "frozen") from.resume()
      })
    }
    from.on("error", () => to.destroy())
    from.on("close", () => {
      sockets.delete(from)
      to.destroy()
    })
    if (state === "frozen") from.pause()
  }

  const server = createServer((inside) => {
    if (state === "cut") return void inside.resetAndDestroy()
    const outside = connect(target, "127.0.0.1")
    forward(inside, outside)
    forward(outside, inside)
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", resolve)
  })
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the link listens on no port")
  return {
    port: address.port,
    cut: () => {
      state = "cut"
      for (const socket of sockets) socket.resetAndDestroy()
    },
    freeze: () => {
      state = "frozen"
      for (const socket of sockets) socket.pause()
    },
    slow: (ms) => {
      delay = ms
    },
    heal: () => {
      state = "open"
      delay = 0
      for (const socket of sockets) socket.resume()
    },
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
