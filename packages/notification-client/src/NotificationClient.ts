import type { Frame } from "@tandem/contracts/push/Frame"

/** Where a client stands: connecting, open, waiting for the next attempt, or closed for good. */
export type ConnectionState = "connecting" | "open" | "waiting" | "closed"

/** The part of a WebSocket that is needed: the browser's, Node's from 22 on, or that of `ws`. */
export interface Socket {
  addEventListener(type: "message", listener: (event: { readonly data?: unknown }) => void): void
  addEventListener(type: "close" | "error", listener: () => void): void
  close(): void
}

/** What to listen to, and whom to tell. */
export interface ConnectOptions {
  /** The order service's stream, such as `ws://127.0.0.1:8080/ws`. */
  readonly url: string
  readonly userId: string
  /** Everything above this number is delivered first; without it only what happens from now on. */
  readonly after?: number
  /** Every frame once: the welcome of each connection, and each number in order. */
  readonly onFrame: (frame: Frame) => void
  readonly onState?: (state: ConnectionState) => void
  /** Opens a socket; with the global `WebSocket` when absent. */
  readonly open?: (url: string) => Socket
}

/** An open subscription. */
export interface NotificationClient {
  /** Ends it; nothing is delivered afterwards. */
  readonly close: () => void
  readonly state: () => ConnectionState
}

/** The first pause before another attempt, in ms; doubled up to `longestPause`, and a random part of it is waited (full jitter). */
const firstPause = 250
const longestPause = 15_000

/** A connection that says nothing for so long, not even a welcome, is given up; one that held for longer was a good one. In ms. */
const patience = 10_000

/**
 * Listens to a user's notifications until it is closed: reconnects with jittered pauses, at once when the browser is online again,
 * resumes after the last number that was delivered, drops what was delivered before, and reconnects when a number is missing.
 */
export const connect = (options: ConnectOptions): NotificationClient => {
  const open = options.open ?? ((url: string): Socket => new WebSocket(url))
  let last = options.after
  let state: ConnectionState = "connecting"
  let attempts = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let drop: () => void = () => undefined

  const become = (next: ConnectionState) => {
    if (state === next) return
    state = next
    options.onState?.(next)
  }

  const attempt = () => {
    become("connecting")
    // Whoever was told may have closed it.
    if (state === "closed") return
    const query = new URLSearchParams({ userId: options.userId })
    if (last !== undefined) query.set("after", String(last))
    const socket = open(`${options.url}?${query}`)
    let current = true
    let welcomed: number | undefined
    const lost = () => {
      if (!current) return
      drop()
      // A server that welcomes and hangs up at once must not be called in a tight loop.
      if (welcomed !== undefined && Date.now() - welcomed > patience) attempts = 0
      timer = setTimeout(attempt, Math.random() * Math.min(longestPause, firstPause * 2 ** attempts++))
      become("waiting")
    }
    drop = () => {
      current = false
      clearTimeout(timer)
      socket.close()
    }
    timer = setTimeout(lost, patience)
    socket.addEventListener("message", ({ data }) => {
      if (!current || typeof data !== "string") return
      let frame: Frame | null
      try {
        frame = JSON.parse(data)
      } catch {
        // Not our server's words: something in between has taken over.
        return lost()
      }
      if (frame?.type === "welcome") {
        clearTimeout(timer)
        welcomed = Date.now()
        last = frame.seq
        become("open")
        if (current) options.onFrame(frame)
      } else if (frame?.type !== "order-status-changed" || last === undefined || frame.seq <= last) {
        // Told before, or a kind of frame that a newer server knows.
        return
      } else if (frame.seq > last + 1) {
        lost()
      } else {
        last = frame.seq
        options.onFrame(frame)
      }
    })
    socket.addEventListener("close", lost)
    socket.addEventListener("error", lost)
  }

  const onOnline = () => {
    if (state !== "waiting") return
    clearTimeout(timer)
    attempts = 0
    attempt()
  }
  const page = typeof window === "undefined" ? undefined : window
  page?.addEventListener("online", onOnline)

  options.onState?.(state)
  attempt()
  return {
    state: () => state,
    close: () => {
      page?.removeEventListener("online", onOnline)
      drop()
      clearTimeout(timer)
      become("closed")
    },
  }
}
