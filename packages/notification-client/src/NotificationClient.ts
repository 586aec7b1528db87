import type { Frame } from "@tandem/contracts/push/Frame"
import { type Channel, eventStreamChannel, type Listener, type Socket, webSocketChannel } from "./Channel.js"

export type { Frame, Socket }

/** Where a client stands: connecting, open, waiting for the next attempt, or closed for good. */
export type ConnectionState = "connecting" | "open" | "waiting" | "closed"

/** Why the server will not let this client listen, now or later. */
export interface Refusal {
  /** The HTTP status: 400, 401, 403 or 404. */
  readonly status: number
  /** The last part of the problem's `type`, such as `unauthorized`, where the server has said it. */
  readonly problem: string | undefined
}

/** What to listen to, and whom to tell. */
export interface ConnectOptions {
  /** The order service, such as `http://127.0.0.1:8080`; of several, the next one is tried when one does not answer. */
  readonly url: string | ReadonlyArray<string>
  readonly userId: string
  /** Everything above this number is delivered first; without it only what happens from now on. */
  readonly after?: number
  /** Every frame once: the welcome of each connection, and each number in order. */
  readonly onFrame: (frame: Frame) => void
  readonly onState?: (state: ConnectionState) => void
  /** The server has refused for good; the client is closed. */
  readonly onRefused?: (refusal: Refusal) => void
  /** Gets a ticket (`POST /push-tickets`) before each attempt, where the service asks who is calling. */
  readonly ticket?: () => Promise<string>
  /** `websocket`, `sse`, or `auto`: WebSocket, and SSE where that does not get through. `auto` when absent. */
  readonly transport?: "auto" | "websocket" | "sse"
  /** Opens a socket; with the global `WebSocket` when absent. */
  readonly open?: (url: string) => Socket
  /** Asks for an event stream; the global `fetch` when absent. */
  readonly fetch?: typeof fetch
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

/** After a restart of the service all its clients come back: within so many ms. */
const restartPause = 1_000

/** A connection that says nothing for so long, not even a welcome, is given up; one that held for longer was a good one. In ms. */
const patience = 10_000

/** A page that nobody has looked at for so long may have lost its connection without a word. In ms. */
const slept = 30_000

/** So many attempts in a row that WebSocket does not get through, then SSE is tried in turn with it. */
const triesOfWebSocket = 2

/** The close codes that mean something here: see the service's contract. */
const closeCodes = { expired: 4401, restart: 1012 } as const

/** Answers that no other attempt will change. */
const isFinal = (status: number) => status === 400 || status === 403 || status === 404

/**
 * Listens to a user's notifications until it is closed: reconnects with jittered pauses, at once when the browser is online again or was
 * asleep, resumes after the last number that was delivered, drops what was delivered before, and reconnects when a number is missing. Without
 * any dependency.
 */
export const connect = (options: ConnectOptions): NotificationClient => {
  const urls = typeof options.url === "string" ? [options.url] : options.url
  const open = options.open ?? ((url: string): Socket => new WebSocket(url))
  const request = options.fetch ?? ((input, init) => fetch(input, init))
  const transport = options.transport ?? "auto"
  let last = options.after
  let state: ConnectionState = "connecting"
  /** Attempts in a row that brought nothing. */
  let attempts = 0
  let fruitless = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let drop: () => void = () => undefined

  const become = (next: ConnectionState) => {
    if (state === next) return
    state = next
    options.onState?.(next)
  }

  const isClosed = () => state === "closed"

  const usesStream = () =>
    transport === "sse" ||
    (transport === "auto" && fruitless >= triesOfWebSocket && (fruitless - triesOfWebSocket) % 2 === 0)

  const channelOf = (ticket: string | undefined, listener: Listener): Channel => {
    const asStream = usesStream()
    const base = (urls[fruitless % urls.length] ?? "").replace(/\/$/, "")
    const url = new URL(`${base}/${asStream ? "notifications/stream" : "ws"}`)
    url.searchParams.set("userId", options.userId)
    if (last !== undefined) url.searchParams.set("after", String(last))
    if (ticket !== undefined) url.searchParams.set("ticket", ticket)
    return asStream ? eventStreamChannel(request, url, listener) : webSocketChannel(open, url, listener)
  }

  const attempt = () => {
    become("connecting")
    // Whoever was told may have closed it.
    if (isClosed()) return
    let current = true
    let channel: Channel | undefined
    let welcomed: number | undefined

    const lost = (longest = Math.min(longestPause, firstPause * 2 ** attempts)) => {
      if (!current) return
      drop()
      attempts++
      if (welcomed === undefined) fruitless++
      // A server that welcomes and hangs up at once must not be called in a tight loop.
      else if (Date.now() - welcomed > patience) {
        attempts = 1
        longest = Math.min(longest, firstPause)
      }
      timer = setTimeout(attempt, Math.random() * longest)
      become("waiting")
    }
    const refused = (status: number, problem?: string) => {
      if (!isFinal(status) && (status !== 401 || options.ticket !== undefined)) return lost()
      drop()
      become("closed")
      leave()
      options.onRefused?.({ status, problem })
    }
    const onText = (text: string) => {
      if (!current) return
      let frame: Frame | null
      try {
        frame = JSON.parse(text)
      } catch {
        // Not our server's words: something in between has taken over.
        return lost()
      }
      if (frame?.type === "welcome") {
        clearTimeout(timer)
        welcomed = Date.now()
        fruitless = 0
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
    }
    const onLost = (code?: number) => {
      if (code === closeCodes.expired && options.ticket === undefined) refused(401)
      else if (code === closeCodes.restart || code === closeCodes.expired) lost(restartPause)
      else lost()
    }

    drop = () => {
      current = false
      clearTimeout(timer)
      channel?.close()
    }
    timer = setTimeout(lost, patience)
    const listener: Listener = { onText, onLost: (code) => current && onLost(code), onRefused: refused }
    if (options.ticket === undefined) channel = channelOf(undefined, listener)
    else {
      options.ticket().then(
        (ticket) => {
          if (current) channel = channelOf(ticket, listener)
        },
        () => lost(),
      )
    }
  }

  const again = () => {
    drop()
    clearTimeout(timer)
    attempts = 0
    attempt()
  }
  const page = typeof window === "undefined" ? undefined : window
  const sheet = typeof document === "undefined" ? undefined : document
  let hiddenSince: number | undefined
  // A connection may have gone with the network that was there before.
  const onOnline = () => {
    if (state === "waiting" || state === "open") again()
  }
  const onVisibility = () => {
    if (sheet?.visibilityState === "hidden") hiddenSince = Date.now()
    else if (hiddenSince !== undefined && Date.now() - hiddenSince > slept) onOnline()
  }
  page?.addEventListener("online", onOnline)
  sheet?.addEventListener("visibilitychange", onVisibility)
  const leave = () => {
    page?.removeEventListener("online", onOnline)
    sheet?.removeEventListener("visibilitychange", onVisibility)
  }

  options.onState?.(state)
  attempt()
  return {
    state: () => state,
    close: () => {
      leave()
      drop()
      clearTimeout(timer)
      become("closed")
    },
  }
}
