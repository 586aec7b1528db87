import type { OutgoingMessage } from "@tandem/messaging/Message"

/** What left the instances, as somebody outside sees it, and what is wrong with that. */
export class Witness {
  /** Messages that appeared in another order than they were written in. */
  readonly disorder: Array<string> = []
  private readonly seen = new Set<string>()
  private readonly highest = new Map<string, bigint>()

  /** A relay's batch: those of one key appear for the first time in the order of their outbox, whatever comes again later. */
  published(service: string, messages: ReadonlyArray<OutgoingMessage>): void {
    for (const message of messages) {
      if (!("id" in message) || typeof message.id !== "string") continue
      const row = `${service} ${message.id}`
      if (this.seen.has(row)) continue
      this.seen.add(row)
      const key = `${service} ${message.topic} ${message.key}`
      const [id, last] = [BigInt(message.id), this.highest.get(key) ?? 0n]
      if (id < last) this.disorder.push(`${key}: row ${id} after row ${last}`)
      else this.highest.set(key, id)
    }
  }
}
