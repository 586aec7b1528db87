/** A message on its way to a topic. Messages with one key arrive in the order in which they were published; `null` as key means no order. */
export interface OutgoingMessage {
  readonly topic: string
  /** At most 1,024 bytes of UTF-8. */
  readonly key: string | null
  /** The body, opaque to the kit; `null` is a tombstone on a compacted topic. */
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
}

/** A message as a broker delivers it. `(topic, partition, offset)` names it for ever. */
export interface ReceivedMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** When the broker (or its producer) stamped it, in ms since the epoch. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Header values are read as UTF-8. */
  readonly headers: Readonly<Record<string, string>>
}

/** No message may be larger than this, key and value and headers together, in bytes: Kafka's default limit less its framing. */
export const maximumMessageBytes = 900_000
