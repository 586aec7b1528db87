/** What the benchmark asks of a server under test, over the channel between the processes. */
export type Request =
  | { readonly _tag: "Memory" }
  /** Frames to one of `users` after the other, so many a second, for so many seconds. */
  | { readonly _tag: "Publish"; readonly users: number; readonly perSecond: number; readonly seconds: number }

/** What it answers: first where it listens, then to each request. */
export type Response =
  | { readonly _tag: "Listening"; readonly port: number }
  | { readonly _tag: "Memory"; readonly rss: number; readonly heap: number }
  | { readonly _tag: "Published"; readonly frames: number }

const send = (response: Response): void => {
  process.send?.(response)
}

/** Memory once the garbage is gone, in bytes; `heap` counts what the heap refers to outside of it, too. */
const memory = async (): Promise<Response> => {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  const { rss, heapUsed, external } = process.memoryUsage()
  return { _tag: "Memory", rss, heap: heapUsed + external }
}

/** A frame as the order service tells it; its amount is when it was made, for the latency: µs of the machine's monotonic clock. */
const frame = (userId: string, seq: number) => ({
  type: "order-status-changed" as const,
  seq,
  orderId: "01936f4e-8f2a-7c3b-9d4e-5f6071829304",
  userId,
  amount: Number(process.hrtime.bigint() / 1_000n),
  status: "FINISHED" as const,
  reason: null,
  at: "2026-01-01T00:00:00.000Z",
})

/** Serves the benchmark's requests; `publish` tells a frame to its user's sockets. */
export const serve = (port: number, publish: (told: ReturnType<typeof frame>) => void): void => {
  const seqs = new Map<number, number>()
  let next = 0
  const tell = (users: number) => {
    // A step that is prime to the number of users reaches all of them in no order.
    next = (next + 7_919) % users
    const seq = (seqs.get(next) ?? 0) + 1
    seqs.set(next, seq)
    publish(frame(`user-${next}`, seq))
  }
  process.on("message", (request: Request) => {
    if (request._tag === "Memory") return void memory().then(send)
    const { users, perSecond, seconds } = request
    const start = performance.now()
    let frames = 0
    const timer = setInterval(() => {
      const due = Math.min(perSecond * seconds, ((performance.now() - start) * perSecond) / 1_000)
      for (; frames < due; frames++) tell(users)
      if (frames < perSecond * seconds) return
      clearInterval(timer)
      send({ _tag: "Published", frames })
    }, 1)
  })
  process.on("disconnect", () => process.exit(0))
  send({ _tag: "Listening", port })
}
