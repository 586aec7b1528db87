import type { Frame } from "@tandem/contracts/push/Frame"
import type { WebSocket } from "ws"
import { Connection } from "./Connection.js"
import type { Permit } from "./StreamAccess.js"

/** A stream over WebSocket: each frame is one text message. */
export class WebSocketConnection extends Connection {
  private readonly socket: WebSocket
  /** It has answered since the last ping. */
  private alive = true

  constructor(socket: WebSocket, permit: Permit) {
    super(permit)
    this.socket = socket
    socket.on("pong", () => {
      this.alive = true
    })
    // A message that is too large: 1009 is on its way. Ending the socket at once would take it back from a client that still sends.
    socket.on("error", () => this.terminateSoon())
  }

  get open(): boolean {
    return this.socket.readyState === this.socket.OPEN
  }

  protected get unsent(): number {
    return this.socket.bufferedAmount
  }

  protected transmit(_type: Frame["type"], _seq: number, text: string, sent: () => void): void {
    this.socket.send(text, sent)
  }

  protected end(code: number, reason: string): void {
    this.socket.close(code, reason)
  }

  ping(): void {
    if (!this.alive) this.socket.terminate()
    this.alive = false
    if (this.open) this.socket.ping()
  }

  terminate(): void {
    this.socket.terminate()
  }

  onEnd(callback: () => void): void {
    this.socket.once("close", callback)
  }
}
