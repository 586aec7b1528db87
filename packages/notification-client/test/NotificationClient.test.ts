import type { Frame } from "@tandem/contracts/push/Frame"
import { type ConnectionState, connect, type Socket } from "@tandem/notification-client/NotificationClient"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"

class ScriptedSocket implements Socket {
  private readonly listeners = new Map<string, (event: { readonly data?: unknown; readonly code?: number }) => void>()
  closed = false
  readonly url: string
  constructor(url: string) {
    this.url = url
  }
  close() {
    this.closed = true
  }
  addEventListener(type: string, listener: (event: { readonly data?: unknown; readonly code?: number }) => void) {
    this.listeners.set(type, listener)
  }
  say(frame: unknown) {
    this.listeners.get("message")?.({ data: JSON.stringify(frame) })
  }
  break() {
    this.listeners.get("close")?.({})
  }
}

const welcome = (seq: number, recovered = true) => ({ type: "welcome", userId: "1", seq, recovered })
const change = (seq: number) => ({ type: "order-status-changed", seq })

const start = (after?: number) => {
  const sockets: Array<ScriptedSocket> = []
  const frames: Array<Frame> = []
  const states: Array<ConnectionState> = []
  const client = connect({
    url: "http://order",
    transport: "websocket",
    userId: "1",
    ...(after === undefined ? {} : { after }),
    onFrame: (frame) => frames.push(frame),
    onState: (state) => states.push(state),
    open: (url) => {
      const socket = new ScriptedSocket(url)
      sockets.push(socket)
      return socket
    },
  })
  const socket = () => {
    const last = sockets.at(-1)
    if (last === undefined) throw new Error("no socket was opened")
    return last
  }
  return { client, sockets, socket, frames, states, numbers: () => frames.map((frame) => frame.seq) }
}

describe("NotificationClient", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("delivers the welcome and what follows", () => {
    const { socket, numbers, states } = start()
    expect(socket().url).toBe("ws://order/ws?userId=1")
    socket().say(welcome(4))
    socket().say(change(5))
    expect(numbers()).toEqual([4, 5])
    expect(states).toEqual(["connecting", "open"])
  })

  it("resumes after the last number that it delivered", () => {
    const { sockets, socket, numbers, states } = start(2)
    expect(socket().url).toBe("ws://order/ws?userId=1&after=2")
    socket().say(welcome(2))
    socket().say(change(3))
    socket().break()
    vi.advanceTimersByTime(1_000)
    expect(sockets).toHaveLength(2)
    expect(socket().url).toBe("ws://order/ws?userId=1&after=3")
    socket().say(welcome(3))
    socket().say(change(4))
    expect(numbers()).toEqual([2, 3, 3, 4])
    expect(states).toEqual(["connecting", "open", "waiting", "connecting", "open"])
  })

  it("delivers no number twice", () => {
    const { socket, numbers } = start(0)
    socket().say(welcome(0))
    for (const seq of [1, 1, 2, 1, 3]) socket().say(change(seq))
    expect(numbers()).toEqual([0, 1, 2, 3])
  })

  it("reconnects rather than deliver past a gap", () => {
    const { sockets, socket, numbers } = start(0)
    socket().say(welcome(0))
    socket().say(change(1))
    socket().say(change(3))
    expect(numbers()).toEqual([0, 1])
    expect(sockets[0]?.closed).toBe(true)
    vi.advanceTimersByTime(15_000)
    expect(socket().url).toBe("ws://order/ws?userId=1&after=1")
  })

  it("starts anew where the server has to", () => {
    const { socket, numbers } = start(9)
    socket().say(welcome(2, false))
    socket().say(change(3))
    expect(numbers()).toEqual([2, 3])
  })

  it("gives up a connection that never says a word", () => {
    const { sockets } = start()
    vi.advanceTimersByTime(30_000)
    expect(sockets.length).toBeGreaterThan(1)
    expect(sockets[0]?.closed).toBe(true)
  })

  it("waits longer from attempt to attempt, but not for ever", () => {
    vi.spyOn(Math, "random").mockReturnValue(1)
    const { sockets, socket } = start()
    const pauses = Array.from({ length: 8 }, () => {
      const before = sockets.length
      socket().break()
      let pause = 0
      while (sockets.length === before) {
        vi.advanceTimersByTime(50)
        pause += 50
      }
      return pause
    })
    expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
    vi.restoreAllMocks()
  })

  it("is silent once it is closed", () => {
    const { client, sockets, socket, numbers } = start()
    socket().say(welcome(0))
    client.close()
    sockets[0]?.say(change(1))
    sockets[0]?.break()
    vi.advanceTimersByTime(60_000)
    expect(numbers()).toEqual([0])
    expect(sockets).toHaveLength(1)
    expect(client.state()).toBe("closed")
  })
})
