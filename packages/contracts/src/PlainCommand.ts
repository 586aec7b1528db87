/** A user and an amount, as both commands have them. */
export interface PlainCommand {
  readonly userId: string
  /** Minor units. */
  readonly amount: number
}

const plain = /^userId=([A-Za-z0-9_-]{1,64})&amount=([1-9][0-9]{0,11})$/

/**
 * Reads the plainest way to write a command in a query: `userId=…&amount=…`, nothing escaped, nothing else. Whatever it reads, the schemas
 * of the commands read alike; undefined says nothing of the rest, which is theirs to decide.
 */
export const readPlainCommand = (query: string): PlainCommand | undefined => {
  const parts = plain.exec(query)
  return parts?.[1] === undefined ? undefined : { userId: parts[1], amount: Number(parts[2]) }
}
