import { connect, type Socket } from "node:net"
import type { LoopResult } from "../ClosedLoop.js"

/** Where to ask and what. */
export interface RawLoopOptions {
  readonly port: number
  readonly clients: number
  readonly seconds: number
  /** The whole request, head and body, that this client sends next. */
  readonly request: (client: number, sequence: number) => string
  /** Whether an answer with this status is a success. */
  readonly accepts: (status: number) => boolean
}

const headEnd = Buffer.from("\r\n\r\n")

/**
 * A closed loop over keep-alive sockets with next to no client: it reads the status and the length of each answer and nothing else, so
 * that the two cores belong to the server. An answer that is not accepted, and a connection that ends, count as failed.
 */
export const rawLoop = async (options: RawLoopOptions): Promise<LoopResult> => {
  const latencies: Array<number> = []
  const failed = { count: 0 }
  const start = performance.now()
  const end = start + options.seconds * 1_000
  await Promise.all(
    Array.from({ length: options.clients }, (_, client) => oneClient(options, client, end, latencies, failed)),
  )
  return {
    completed: latencies.length,
    failed: failed.count,
    seconds: (performance.now() - start) / 1_000,
    latencies: Float64Array.from(latencies).sort(),
  }
}

const oneClient = (
  { port, request, accepts }: RawLoopOptions,
  client: number,
  end: number,
  latencies: Array<number>,
  failed: { count: number },
): Promise<void> =>
  new Promise((resolve) => {
    let sequence = 0
    let before = 0
    let held: Buffer = Buffer.alloc(0)
    const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true })
    const next = () => {
      if (performance.now() >= end) return void socket.destroy()
      before = performance.now()
      socket.write(request(client, sequence++))
    }
    socket.on("connect", next)
    socket.on("data", (part) => {
      held = held.length === 0 ? part : Buffer.concat([held, part])
      const head = held.indexOf(headEnd)
      if (head < 0) return
      const text = held.toString("latin1", 0, head)
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0)
      if (held.length < head + headEnd.length + length) return
      held = Buffer.alloc(0)
      if (accepts(Number(text.slice(9, 12)))) latencies.push(performance.now() - before)
      else failed.count++
      next()
    })
    socket.on("error", () => {})
    socket.on("close", () => {
      if (performance.now() < end) failed.count++
      resolve()
    })
  })
