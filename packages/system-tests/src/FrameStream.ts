import { get, type IncomingMessage } from "node:http"
import type { Frame } from "@tandem/contracts/push/Frame"
import { WebSocket } from "ws"

/** A stream of frames as a client has it open; it has no memory, so that whoever opens it sees all that the service sends. */
export interface FrameStream {
  /** Reads nothing until it is resumed. */
  readonly pause: () => void
  readonly resume: () => void
  /** Leaves without a word; nothing is told afterwards. */
  readonly leave: () => void
}

/** What is asked for, and who is told. */
export interface FrameStreamOptions {
  /** The service's address, `http://127.0.0.1:port`. */
  readonly url: string
  readonly userId: string
  readonly after: number
  readonly onFrame: (frame: Frame) => void
  /** Once: the stream ended, or could not be opened. */
  readonly onEnd: () => void
}

/** By WebSocket. */
export const openSocket = ({ url, userId, after, onFrame, onEnd }: FrameStreamOptions): FrameStream => {
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws?userId=${userId}&after=${after}`)
  let left = false
  socket.on("message", (text) => {
    if (!left) onFrame(JSON.parse(String(text)))
  })
  socket.on("error", () => undefined)
  socket.on("close", () => {
    if (!left) onEnd()
  })
  return {
    pause: () => socket.readyState === socket.OPEN && socket.pause(),
    resume: () => socket.resume(),
    leave: () => {
      left = true
      socket.terminate()
    },
  }
}

/** By Server-Sent Events, as a browser comes back: with `Last-Event-ID`. */
export const openEventStream = ({ url, userId, after, onFrame, onEnd }: FrameStreamOptions): FrameStream => {
  let left = false
  let response: IncomingMessage | undefined
  let rest = ""
  const headers = { "last-event-id": String(after) }
  const end = () => {
    if (!left) onEnd()
    left = true
  }
  const request = get(`${url}/notifications/stream?userId=${userId}&after=0`, { agent: false, headers }, (answer) => {
    response = answer
    if (answer.statusCode !== 200) return void request.destroy()
    answer.setEncoding("utf8")
    answer.on("data", (text: string) => {
      const events = `${rest}${text}`.split("\n\n")
      rest = events.pop() ?? ""
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1]
        if (data !== undefined && !left) onFrame(JSON.parse(data))
      }
    })
    answer.on("error", () => undefined)
    answer.on("close", end)
  })
  request.on("error", () => undefined)
  request.on("close", end)
  return {
    pause: () => response?.pause(),
    resume: () => response?.resume(),
    leave: () => {
      left = true
      request.destroy()
    },
  }
}
