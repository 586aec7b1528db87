/** A partition, by its name in the broker. */
export interface Partition {
  readonly topic: string
  readonly partition: number
}

/** A partition as a key of maps and sets. */
export const keyOf = ({ topic, partition }: Partition): string => `${partition}/${topic}`
