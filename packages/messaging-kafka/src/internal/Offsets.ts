/** The group's next offset of a partition. */
export interface NextOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

/** What is acknowledged and not yet stored, by topic and partition. */
export class Offsets {
  private readonly waiting = new Map<string, NextOffset>()

  private readonly commit: (offsets: ReadonlyArray<NextOffset>) => Promise<void>

  constructor(commit: (offsets: ReadonlyArray<NextOffset>) => Promise<void>) {
    this.commit = commit
  }

  set(next: NextOffset): void {
    this.waiting.set(`${next.partition}/${next.topic}`, next)
  }

  /** Partitions that are not ours any more are somebody else's to store. */
  keep(isOurs: (topic: string, partition: number) => boolean): void {
    for (const [key, { topic, partition }] of this.waiting) {
      if (!isOurs(topic, partition)) this.waiting.delete(key)
    }
  }

  /** Stores apart from fetching: between two fetches it would cost each message 10 ms. What cannot be stored is tried again later. */
  async store(): Promise<void> {
    const offsets = [...this.waiting.entries()]
    if (offsets.length === 0) return
    await this.commit(offsets.map(([, offset]) => offset))
    for (const [key, offset] of offsets) if (this.waiting.get(key) === offset) this.waiting.delete(key)
  }
}
