import type { SqlClient, SqlError } from "@effect/sql"
import { Effect } from "effect"

/** How long a member and its partitions outlive its last sign of life, in seconds of the database's clock. */
const leaseSeconds = 3

/** A partition that this member owns, and how far it is. */
export interface Owned {
  readonly topic: string
  readonly partition: number
  readonly epoch: string
  /** The next offset to read. */
  position: bigint
  /** The offset below which everything is acknowledged. */
  acknowledged: bigint
  /** A batch is with the consumer. */
  outstanding: boolean
}

/** The name of a partition as a map's key. */
export const keyOf = (topic: string, partition: number): string => `${partition}/${topic}`

/** One member of a consumer group: what it owns, and the statements that keep it so. */
export interface Membership {
  readonly owned: ReadonlyMap<string, Owned>
  /**
   * One sign of life: stores offsets, renews what is owned, gives back what is more than a fair share and has no batch with the
   * consumer, takes what is free. A zombie finds its epochs gone here, and forgets those partitions.
   */
  readonly beat: Effect.Effect<void, SqlError.SqlError>
  /** Stores offsets and gives everything back. */
  readonly leave: Effect.Effect<void, SqlError.SqlError>
}

interface PartitionRow {
  readonly topic: string
  readonly partition: number
  readonly owner: string | null
  readonly free: boolean
}

/** Members take turns over the partitions in order: everybody comes to the same assignment without a leader. */
const shareOf = (
  rows: ReadonlyArray<PartitionRow>,
  members: ReadonlyArray<string>,
  me: string,
): ReadonlyArray<PartitionRow> => rows.filter((_, index) => members[index % members.length] === me)

/** Joins a group; the first `beat` takes partitions. */
export const join = (
  sql: SqlClient.SqlClient,
  group: string,
  topics: ReadonlyArray<string>,
  member: string,
): Membership => {
  const owned = new Map<string, Owned>()
  const columns = (partitions: ReadonlyArray<Owned>) =>
    sql`unnest(
      ${partitions.map(({ topic }) => topic)}::text[],
      ${partitions.map(({ partition }) => partition)}::integer[],
      ${partitions.map(({ epoch }) => epoch)}::bigint[],
      ${partitions.map(({ acknowledged }) => acknowledged.toString())}::bigint[]
    ) AS mine (topic, partition, epoch, acknowledged)`

  /** Only the holder of the epoch stores an offset; answers what is still held. */
  const store = (partitions: ReadonlyArray<Owned>, release: boolean) =>
    sql<{ topic: string; partition: number }>`
      UPDATE group_partitions SET
        committed = greatest(committed, mine.acknowledged),
        owner = ${release ? sql`NULL` : sql`owner`},
        expires_at = ${release ? sql`'-infinity'` : sql`clock_timestamp() + make_interval(secs => ${leaseSeconds})`}
      FROM ${columns(partitions)}
      WHERE group_name = ${group} AND group_partitions.topic = mine.topic
        AND group_partitions.partition = mine.partition
        AND group_partitions.epoch = mine.epoch AND owner = ${member}::uuid
      RETURNING mine.topic, mine.partition`

  const renew = Effect.gen(function* () {
    if (owned.size === 0) return
    const held = yield* store([...owned.values()], false)
    const keys = new Set(held.map(({ topic, partition }) => keyOf(topic, partition)))
    for (const key of [...owned.keys()]) if (!keys.has(key)) owned.delete(key)
  })

  const announce = sql`
    INSERT INTO group_members (group_name, member, topics, expires_at)
    VALUES (${group}, ${member}::uuid, ${[...topics]}::text[], clock_timestamp() + make_interval(secs => ${leaseSeconds}))
    ON CONFLICT (group_name, member) DO UPDATE SET expires_at = excluded.expires_at`

  const rebalance = Effect.gen(function* () {
    yield* sql`DELETE FROM group_members WHERE group_name = ${group} AND expires_at < clock_timestamp()`
    yield* sql`
      INSERT INTO group_partitions (group_name, topic, partition)
      SELECT ${group}, topic, partition FROM partitions WHERE topic = ANY(${[...topics]}::text[])
      ORDER BY topic, partition ON CONFLICT DO NOTHING`
    const members = yield* sql<{ member: string }>`
      SELECT member FROM group_members WHERE group_name = ${group} AND topics && ${[...topics]}::text[] ORDER BY member`
    const rows = yield* sql<PartitionRow>`
      SELECT topic, partition, owner, owner IS NULL OR expires_at < clock_timestamp() AS free
      FROM group_partitions WHERE group_name = ${group} AND topic = ANY(${[...topics]}::text[]) ORDER BY topic, partition`
    const share = shareOf(
      rows,
      members.map((row) => row.member),
      member,
    )
    const wanted = new Set(share.map(({ topic, partition }) => keyOf(topic, partition)))
    const surplus = [...owned].filter(([key, { outstanding }]) => !wanted.has(key) && !outstanding)
    if (surplus.length > 0) {
      for (const [key] of surplus) owned.delete(key)
      yield* store(
        surplus.map(([, partition]) => partition),
        true,
      )
    }
    const free = share.filter((row) => row.free && !owned.has(keyOf(row.topic, row.partition)))
    if (free.length > 0) yield* take(free)
  })

  const take = (free: ReadonlyArray<PartitionRow>) =>
    Effect.gen(function* () {
      const taken = yield* sql<{ topic: string; partition: number; epoch: string; committed: string }>`
        UPDATE group_partitions SET owner = ${member}::uuid, epoch = epoch + 1,
          expires_at = clock_timestamp() + make_interval(secs => ${leaseSeconds})
        FROM unnest(
          ${free.map(({ topic }) => topic)}::text[], ${free.map(({ partition }) => partition)}::integer[]
        ) AS free (topic, partition)
        WHERE group_name = ${group} AND group_partitions.topic = free.topic
          AND group_partitions.partition = free.partition
          AND (owner IS NULL OR expires_at < clock_timestamp())
        RETURNING free.topic, free.partition, epoch, committed`
      for (const { topic, partition, epoch, committed } of taken) {
        const position = BigInt(committed)
        owned.set(keyOf(topic, partition), {
          topic,
          partition,
          epoch,
          position,
          acknowledged: position,
          outstanding: false,
        })
      }
    })

  return {
    owned,
    beat: Effect.zipRight(Effect.zipRight(announce, renew), rebalance),
    leave: Effect.gen(function* () {
      const all = [...owned.values()]
      owned.clear()
      if (all.length > 0) yield* store(all, true)
      yield* sql`DELETE FROM group_members WHERE group_name = ${group} AND member = ${member}::uuid`
    }),
  }
}
