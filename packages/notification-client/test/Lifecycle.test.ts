import type { Frame } from "@tandem/contracts/push/Frame"
import { type ConnectionState, connect, type NotificationClient } from "@tandem/notification-client/NotificationClient"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"

/** The client over sockets whose events the test makes; `onState` may act on the client. */
const start = (onState: (state: ConnectionState, client: NotificationClient | undefined) => void = () => undefined) => {
  const sockets: Array<{ closed: boolean; emit: (type: string, data?: unknown) => void }> = []
  const frames: Array<Frame> = []
  let client: NotificationClient | undefined
  client = connect({
    url: "http://order",
    transport: "websocket",
    userId: "1",
    onFrame: (frame) => frames.push(frame),
    onState: (state) => onState(state, client),
    open: () => {
      const listeners = new Map<string, (event: { readonly data?: unknown; readonly code?: number }) => void>()
      const socket = { closed: false, emit: (type: string, data?: unknown) => listeners.get(type)?.({ data }) }
      sockets.push(socket)
      return {
        addEventListener: (type, listener) => void listeners.set(type, listener),
        close: () => {
          socket.closed = true
        },
      }
    },
  })
  return { client, sockets, frames, welcome: () => sockets.at(-1)?.emit("message", '{"type":"welcome","seq":0}') }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe("a client that is closed out of its own callback", () => {
  for (const moment of ["open", "waiting", "connecting"] as const) {
    it(`stays closed: ${moment}`, () => {
      const { client, sockets, frames, welcome } = start((state, client) => {
        if (state === moment) client?.close()
      })
      welcome()
      sockets.at(-1)?.emit("close")
      vi.advanceTimersByTime(60_000)
      welcome()
      expect(client.state()).toBe("closed")
      expect(sockets).toHaveLength(1)
      expect(sockets[0]?.closed).toBe(true)
      expect(frames).toHaveLength(moment === "open" ? 0 : 1)
      expect(vi.getTimerCount()).toBe(0)
    })
  }
})

describe("the pause before another attempt", () => {
  const losses = (held: number) => {
    vi.spyOn(Math, "random").mockReturnValue(1)
    const { sockets, welcome } = start()
    return Array.from({ length: 5 }, () => {
      welcome()
      vi.advanceTimersByTime(held)
      sockets.at(-1)?.emit("close")
      const before = Date.now()
      vi.advanceTimersToNextTimer()
      return Date.now() - before
    })
  }

  it("grows when the server hangs up right after its welcome", () => {
    expect(losses(100)).toEqual([250, 500, 1_000, 2_000, 4_000])
  })

  it("is the first again after a connection that held", () => {
    expect(losses(60_000)).toEqual([250, 250, 250, 250, 250])
  })

  it("ends at once when the browser is online again", () => {
    vi.spyOn(Math, "random").mockReturnValue(1)
    const page = new EventTarget()
    vi.stubGlobal("window", page)
    const { client, sockets } = start()
    for (let loss = 0; loss < 6; loss++) {
      sockets.at(-1)?.emit("close")
      if (loss < 5) vi.advanceTimersToNextTimer()
    }
    expect([client.state(), sockets.length]).toEqual(["waiting", 6])
    page.dispatchEvent(new Event("online"))
    expect([client.state(), sockets.length]).toEqual(["connecting", 7])
    client.close()
    page.dispatchEvent(new Event("online"))
    expect(sockets).toHaveLength(7)
  })
})
