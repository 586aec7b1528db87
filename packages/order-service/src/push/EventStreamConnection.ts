import type { ServerResponse } from "node:http"
import type { Frame } from "@tandem/contracts/push/Frame"
import { Connection } from "./Connection.js"
import type { Permit } from "./StreamAccess.js"

/** The headers of a stream. The last one keeps a proxy from holding frames back. */
export const eventStreamHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
} as const

/** How long a browser waits before it connects again, in ms. */
const retry = 1_000

/**
 * A stream as Server-Sent Events: `id` is the number, `event` the frame's type. There are no close codes: a stream that ends is connected to
 * again with `Last-Event-ID`, and what is wrong then is told by the status. A client that has vanished is found by what it does not take.
 */
export class EventStreamConnection extends Connection {
  private readonly response: ServerResponse
  /** Bytes that the kernel had taken at the last ping. */
  private taken = -1

  constructor(response: ServerResponse, permit: Permit) {
    super(permit)
    this.response = response
    response.socket?.setKeepAlive(true, 25_000).setNoDelay(true)
    response.writeHead(200, eventStreamHeaders)
    response.write(`retry: ${retry}\n\n`)
  }

  get open(): boolean {
    return !this.response.writableEnded && !this.response.destroyed
  }

  protected get unsent(): number {
    return this.response.writableLength
  }

  protected transmit(type: Frame["type"], seq: number, text: string, sent: () => void): void {
    this.response.write(`id: ${seq}\nevent: ${type}\ndata: ${text}\n\n`, sent)
  }

  protected end(): void {
    this.response.end()
  }

  ping(): void {
    const { socket } = this.response
    const taken = (socket?.bytesWritten ?? 0) - (socket?.writableLength ?? 0)
    // Something waits, and nothing of it was taken since the last time.
    if (this.unsent > 0 && taken === this.taken) this.terminate()
    this.taken = taken
    if (this.open) this.response.write(": ping\n\n")
  }

  terminate(): void {
    this.response.destroy()
  }

  onEnd(callback: () => void): void {
    this.response.once("close", callback)
  }
}
