import type { Frame } from "@tandem/contracts/push/Frame"
import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import type { Welcome } from "@tandem/contracts/push/Welcome"
import type { Permit } from "./StreamAccess.js"

/** A client that lets so many live frames wait is too slow to be kept. */
const maximumWaitingFrames = 1_000

/** The same in bytes that wait in this process; what the kernel holds does not count. */
const maximumWaitingBytes = 1024 * 1024

/** How long a client that was told to go may take to say goodbye, in ms. */
const closeGrace = 5_000

/** The close codes of the contract, and RFC 6455's for what a stream cannot go on after: who connects again is told where it stands. */
export const closeCodes = { expired: 4401, tooSlow: 4008, shutdown: 1012, interrupted: 1011 } as const

/**
 * One open stream, over WebSocket or SSE. A plain object, for there may be ten thousand. It sends each number once and in order: `last`
 * is the number sent last, `target` the highest one that is known to exist. A frame that is not the next one is not kept: the table has it.
 */
export abstract class Connection {
  readonly userId: string
  /** When its credentials expire, ms since the epoch. */
  readonly expiresAt: number
  /** The number that was sent last; −1 before the welcome. */
  last = -1
  /** The highest number that is known to exist. */
  target = 0
  /** Somebody reads the table for this connection; live frames only raise the target meanwhile. */
  replaying = true
  private waiting = 0
  private whenDrained: (() => void) | undefined

  constructor({ userId, expiresAt = Number.POSITIVE_INFINITY }: Permit) {
    this.userId = userId
    this.expiresAt = expiresAt
  }

  /** Whether something can be sent. */
  abstract get open(): boolean
  /** Bytes that were sent and wait in this process. */
  protected abstract get unsent(): number
  /** Sends one frame, and calls back once it is with the kernel. */
  protected abstract transmit(type: Frame["type"], seq: number, text: string, sent: () => void): void
  /** Says goodbye, with a reason where the protocol has words for it. */
  protected abstract end(code: number, reason: string): void
  /** Looks whether the client is still there; ends the connection when it is not. */
  abstract ping(): void
  /** Ends it at once. */
  abstract terminate(): void
  /** Calls back once, when it has ended, however. */
  abstract onEnd(callback: () => void): void

  welcome(frame: Welcome): void {
    this.last = frame.seq
    this.write(frame.type, frame.seq, JSON.stringify(frame))
  }

  /** A live frame: sent when it is the next one. False when the table must be read first. */
  offer(seq: number, text: string): boolean {
    if (seq <= this.last) return true
    this.target = Math.max(this.target, seq)
    if (this.replaying) return true
    if (seq !== this.last + 1) return false
    this.last = seq
    this.write("order-status-changed", seq, text)
    // A frame counts as waiting until the next tick, so a burst alone says nothing: the kernel must have refused some of it.
    const { unsent } = this
    if (unsent > maximumWaitingBytes || (unsent > 0 && this.waiting > maximumWaitingFrames)) {
      this.close(closeCodes.tooSlow, "too slow")
    }
    return true
  }

  /** A page out of the table. False when the next number is not in it: what was promised is no longer kept. */
  replay(frames: ReadonlyArray<OrderStatusChanged>): boolean {
    const first = this.last + 1
    for (const frame of frames) {
      if (frame.seq !== this.last + 1) return false
      this.last = frame.seq
      this.write(frame.type, frame.seq, JSON.stringify(frame))
    }
    return this.last >= first
  }

  /** Calls back once everything written is with the kernel, or the client is gone. Answers how to take the call back. */
  onDrained(callback: () => void): () => void {
    if (this.waiting === 0 || !this.open) callback()
    else this.whenDrained = callback
    return () => {
      this.whenDrained = undefined
    }
  }

  /** The code first, for a client sees it only when it reads on; then, after a grace, the end. */
  close(code: number, reason: string): void {
    if (!this.open) return
    this.end(code, reason)
    this.terminateSoon()
  }

  /** Ends a connection that is closing, should the client take longer than the grace to say goodbye. */
  protected terminateSoon(): void {
    setTimeout(() => this.terminate(), closeGrace).unref()
  }

  /** The client is gone: nobody is to wait for it. */
  gone(): void {
    this.waiting = 0
    this.drained()
  }

  private write(type: Frame["type"], seq: number, text: string): void {
    if (!this.open) return
    this.waiting++
    this.transmit(type, seq, text, this.sent)
  }

  private readonly sent = () => {
    if (this.waiting > 0) this.waiting--
    if (this.waiting === 0) this.drained()
  }

  private drained(): void {
    const callback = this.whenDrained
    this.whenDrained = undefined
    callback?.()
  }
}
