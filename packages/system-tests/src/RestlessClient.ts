import { setTimeout as delay } from "node:timers/promises"
import type { Frame } from "@tandem/contracts/push/Frame"
import { type FrameStream, openEventStream, openSocket } from "./FrameStream.js"

/** What all clients of a campaign share. */
export interface Restlessness {
  /** The instances' addresses. */
  readonly urls: ReadonlyArray<string>
  readonly random: () => number
  /** What a user's number said when it was told first; whoever is told it again must hear the same. */
  readonly said: Map<string, string>
  /** Whatever a client was told that it should not have been. */
  readonly faults: Array<string>
  readonly count: (what: "WebSocket" | "event stream" | "frame" | "resume" | "broken") => void
}

/**
 * A client that comes and goes: it opens a stream to any instance, by either transport, after the number that it was told last, leaves
 * at a random moment, often in the middle of a replay, and now and then reads nothing for a while. It notes every number that is not the
 * next one.
 */
export class RestlessClient {
  /** The number that it was told last. */
  last = 0
  readonly name: string
  readonly userId: string
  private readonly shared: Restlessness
  private readonly stopping = new AbortController()

  constructor(name: string, userId: string, shared: Restlessness) {
    this.name = name
    this.userId = userId
    this.shared = shared
  }

  /** Comes and goes until it is stopped. */
  async run(): Promise<void> {
    const { random } = this.shared
    while (!this.stopping.signal.aborted) {
      const ended = await this.listen()
      await this.wait(ended === "broken" ? 100 + random() * 400 : random() * 200)
    }
  }

  /** It leaves for good. */
  stop(): void {
    this.stopping.abort()
  }

  private wait(milliseconds: number): Promise<void> {
    return delay(milliseconds, undefined, { signal: this.stopping.signal }).catch(() => undefined)
  }

  private async listen(): Promise<"left" | "broken"> {
    const { random, urls, count } = this.shared
    const url = urls[Math.floor(random() * urls.length)] ?? ""
    const [open, kind] =
      random() < 0.5 ? [openSocket, "WebSocket" as const] : [openEventStream, "event stream" as const]
    const after = this.last
    let welcomed = false
    let stream: FrameStream | undefined
    // Sometimes it is gone before the welcome.
    const stay = random() < 0.1 ? random() * 30 : 300 + random() ** 3 * 4_000
    const broken = new Promise<"broken">((resolve) => {
      const onFrame = (frame: Frame) => {
        count("frame")
        if (frame.type === "welcome") {
          if (welcomed || frame.seq !== after || !frame.recovered) this.fault(`asked for ${after}, welcome`, frame)
          welcomed = true
          count("resume")
        } else this.take(frame, welcomed)
      }
      stream = open({ url, userId: this.userId, after, onFrame, onEnd: () => resolve("broken") })
    })
    count(kind)
    const leaving = this.wait(stay).then(() => "left" as const)
    if (random() < 0.2) {
      stream?.pause()
      await this.wait(stay / 2)
      stream?.resume()
    }
    const ended = await Promise.race([broken, leaving])
    if (ended === "broken") count("broken")
    stream?.leave()
    return ended
  }

  private take(frame: Exclude<Frame, { readonly type: "welcome" }>, welcomed: boolean): void {
    if (!welcomed) this.fault("before the welcome", frame)
    if (frame.seq !== this.last + 1) this.fault(`after ${this.last}`, frame)
    this.last = frame.seq
    const key = `${frame.userId} ${frame.seq}`
    const text = JSON.stringify(frame)
    const before = this.shared.said.get(key)
    if (before === undefined) this.shared.said.set(key, text)
    else if (before !== text) this.fault(`instead of ${before}`, frame)
    if (frame.userId !== this.userId) this.fault("somebody else's", frame)
  }

  private fault(what: string, frame: Frame): void {
    this.shared.faults.push(`${this.name}: ${what}: ${JSON.stringify(frame)}`)
  }
}
