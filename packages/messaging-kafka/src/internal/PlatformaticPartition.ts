import type { RecordsBatch } from "@platformatic/kafka"
import type { ReceivedMessage } from "@tandem/messaging/Message"

/** So much of a partition waits in memory before it is fetched no further, in bytes. */
const maximumBuffered = 1024 * 1024

/** The bit of a control batch, and of timestamps that the broker gave. */
const controlBatch = 1 << 5
const appendTime = 1 << 3

/** One partition that is ours: what was fetched of it and is not handed over yet. */
export class PlatformaticPartition {
  readonly topic: string
  readonly partition: number
  /** What to fetch next. */
  position: bigint
  /** A batch is with the consumer. */
  inHand = false
  highWatermark: bigint
  private buffered: Array<ReceivedMessage> = []
  private start = 0
  private bytes = 0

  constructor(topic: string, partition: number, position: bigint) {
    this.topic = topic
    this.partition = partition
    this.position = position
    this.highWatermark = position
  }

  /** Nothing more is fetched while this much waits. */
  get isFull(): boolean {
    return this.bytes >= maximumBuffered
  }

  /** Takes up what a fetch from `position` brought. */
  add(highWatermark: bigint, batches: ReadonlyArray<RecordsBatch>): void {
    this.highWatermark = highWatermark
    for (const batch of batches) {
      const next = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n
      if (next <= this.position) continue
      if ((batch.attributes & controlBatch) === 0) {
        for (const record of batch.records) {
          const offset = batch.firstOffset + BigInt(record.offsetDelta)
          // A broker answers with whole batches, so that the first may begin earlier.
          if (offset < this.position) continue
          const { key, value } = record
          this.bytes += (key?.length ?? 0) + (value?.length ?? 0) + 100
          this.buffered.push({
            topic: this.topic,
            partition: this.partition,
            offset,
            timestamp: Number(
              (batch.attributes & appendTime) === 0 ? batch.firstTimestamp + record.timestampDelta : batch.maxTimestamp,
            ),
            key,
            value,
            headers: headersOf(record.headers),
          })
        }
      }
      this.position = next
    }
  }

  /** The next messages in order, at most so many. */
  take(most: number): ReadonlyArray<ReceivedMessage> {
    const taken = this.buffered.slice(this.start, this.start + most)
    this.start += taken.length
    for (const { key, value } of taken) this.bytes -= (key?.length ?? 0) + (value?.length ?? 0) + 100
    if (this.start === this.buffered.length) {
      this.buffered = []
      this.start = 0
    }
    return taken
  }
}

const headersOf = (headers: ReadonlyArray<readonly [Buffer | null, Buffer | null]>): Record<string, string> => {
  const read: Record<string, string> = {}
  for (const [name, value] of headers) {
    if (name !== null && value !== null) read[name.toString()] ??= value.toString()
  }
  return read
}
