/** One connection's way to the client; none of these is called after `close`. */
export interface Listener {
  /** A frame as it was sent. */
  readonly onText: (text: string) => void
  /** The connection has ended; with the WebSocket's close code where there is one. */
  readonly onLost: (code?: number) => void
  /** The server has answered that it will not, and why: the HTTP status, and the last part of the problem's `type`. */
  readonly onRefused: (status: number, problem: string | undefined) => void
}

/** An open connection, or one that is being opened. */
export interface Channel {
  readonly close: () => void
}

/** The part of a WebSocket that is needed: the browser's, Node's from 22 on, or that of `ws`. */
export interface Socket {
  addEventListener(type: "message", listener: (event: { readonly data?: unknown }) => void): void
  addEventListener(type: "close", listener: (event: { readonly code?: number }) => void): void
  addEventListener(type: "error", listener: () => void): void
  close(): void
}

/** Over WebSocket. A browser does not tell why one was refused. */
export const webSocketChannel = (open: (url: string) => Socket, url: URL, listener: Listener): Channel => {
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:"
  let current = true
  const end = (code?: number) => {
    if (!current) return
    current = false
    listener.onLost(code)
  }
  const socket = open(url.href)
  socket.addEventListener("message", ({ data }) => {
    if (current && typeof data === "string") listener.onText(data)
  })
  socket.addEventListener("close", ({ code }) => end(code))
  socket.addEventListener("error", () => end())
  return {
    close: () => {
      current = false
      socket.close()
    },
  }
}

/** The server says something, if only a comment, every 25 s; who hears nothing for so long, in ms, is alone. */
const silence = 60_000

/** Over Server-Sent Events, read by `fetch`, for that tells why it was refused. */
export const eventStreamChannel = (request: typeof fetch, url: URL, listener: Listener): Channel => {
  const abort = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const live = () => {
    clearTimeout(timer)
    timer = setTimeout(() => abort.abort(), silence)
  }
  let current = true
  const finish = (tell: () => void) => {
    clearTimeout(timer)
    if (!current) return
    current = false
    tell()
  }
  const read = async () => {
    live()
    const response = await request(url.href, { headers: { accept: "text/event-stream" }, signal: abort.signal })
    if (!response.ok || response.body === null) {
      const problem = await problemOf(response)
      return finish(() => listener.onRefused(response.status, problem))
    }
    const text = new TextDecoder()
    let held = ""
    const reader = response.body.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return finish(() => listener.onLost())
      live()
      held += text.decode(value, { stream: true })
      const events = held.split("\n\n")
      held = events.pop() ?? ""
      for (const event of events) {
        const data = event.split("\n").find((line) => line.startsWith("data: "))
        if (current && data !== undefined) listener.onText(data.slice(6))
      }
    }
  }
  read().catch(() => finish(() => listener.onLost()))
  return {
    close: () => {
      current = false
      clearTimeout(timer)
      abort.abort()
    },
  }
}

const problemOf = async (response: Response): Promise<string | undefined> => {
  try {
    const { type } = (await response.json()) as { readonly type?: unknown }
    return typeof type === "string" ? type.replace(/^urn:tandem:problem:/, "") : undefined
  } catch {
    return undefined
  }
}
