import type { SqlClient, SqlError } from "@effect/sql"
import { Duration, Effect } from "effect"
import type { GroupMember } from "./Assignment.js"
import type { Partition } from "./Partition.js"

/** How long a member and its leases outlive their last renewal, by the database's clock. */
export const leaseDuration = Duration.seconds(3)

/** Who asks. */
export interface Identity {
  readonly group: string
  readonly member: string
  readonly topics: ReadonlyArray<string>
}

/** A lease as its holder knows it, and the offset that goes with it: the next one to read. */
export interface HeldLease extends Partition {
  readonly epoch: bigint
  readonly position: bigint
}

const expiry = (sql: SqlClient.SqlClient) =>
  sql`clock_timestamp() + make_interval(secs => ${Duration.toSeconds(leaseDuration)})`

/** Those of the given leases that are still the member's, locked in order; a lease that was taken since has another epoch. */
const held = (sql: SqlClient.SqlClient, { group, member }: Identity, leases: ReadonlyArray<HeldLease>) => sql`
  SELECT lease.topic, lease.partition, known.position, known.place
  FROM group_partitions AS lease
  JOIN unnest(
    ${leases.map(({ topic }) => topic)}::text[], ${leases.map(({ partition }) => partition)}::integer[],
    ${leases.map(({ epoch }) => epoch)}::bigint[], ${leases.map(({ position }) => position)}::bigint[]
  ) WITH ORDINALITY AS known (topic, partition, epoch, position, place)
    ON known.topic = lease.topic AND known.partition = lease.partition
  WHERE lease.group_name = ${group} AND lease.owner = ${member}::uuid AND lease.epoch = known.epoch
  ORDER BY lease.topic, lease.partition FOR NO KEY UPDATE OF lease`

/**
 * The heartbeat: the member lives on, its leases are renewed and their offsets stored. Answers those that it still holds; of the
 * others the offset was refused.
 */
export const renew = (
  sql: SqlClient.SqlClient,
  identity: Identity,
  leases: ReadonlyArray<HeldLease>,
): Effect.Effect<ReadonlySet<HeldLease>, SqlError.SqlError> =>
  Effect.map(
    sql<{ readonly place: number }>`
      WITH alive AS (
        INSERT INTO group_members (group_name, member, topics, expires_at)
        VALUES (${identity.group}, ${identity.member}::uuid, ${identity.topics}::text[], ${expiry(sql)})
        ON CONFLICT (group_name, member) DO UPDATE SET expires_at = excluded.expires_at
      ), held AS (${held(sql, identity, leases)})
      UPDATE group_partitions AS lease SET committed = held.position, expires_at = ${expiry(sql)}
      FROM held
      WHERE lease.group_name = ${identity.group} AND lease.topic = held.topic AND lease.partition = held.partition
      RETURNING held.place::integer`,
    (rows) => {
      const places = new Set(rows.map(({ place }) => place))
      return new Set(leases.filter((_, index) => places.has(index + 1)))
    },
  )

/** The members that are alive. */
export const members = (
  sql: SqlClient.SqlClient,
  group: string,
): Effect.Effect<ReadonlyArray<GroupMember>, SqlError.SqlError> =>
  sql<GroupMember>`
    SELECT member::text AS id, topics FROM group_members
    WHERE group_name = ${group} AND expires_at >= clock_timestamp()`

/** A partition of the group's topics, and whether nobody holds its lease. */
export interface PartitionRow extends Partition {
  readonly is_free: boolean
}

/** All partitions of the topics, ordered. */
export const partitions = (
  sql: SqlClient.SqlClient,
  { group, topics }: Identity,
): Effect.Effect<ReadonlyArray<PartitionRow>, SqlError.SqlError> =>
  sql<PartitionRow>`
    SELECT partitions.topic, partitions.partition, lease.owner IS NULL OR lease.expires_at < clock_timestamp() AS is_free
    FROM partitions
    LEFT JOIN group_partitions AS lease ON lease.group_name = ${group}
      AND lease.topic = partitions.topic AND lease.partition = partitions.partition
    WHERE partitions.topic = ANY(${topics}::text[])
    ORDER BY partitions.topic, partitions.partition`

/** Takes those leases of the given partitions that are still free, each under a new epoch; one never held begins at offset 0. */
export const take = (
  sql: SqlClient.SqlClient,
  { group, member }: Identity,
  wanted: ReadonlyArray<Partition>,
): Effect.Effect<ReadonlyArray<HeldLease>, SqlError.SqlError> =>
  Effect.map(
    sql<Partition & { readonly epoch: string; readonly committed: string }>`
      INSERT INTO group_partitions AS lease (group_name, topic, partition, epoch, owner, expires_at)
      SELECT ${group}, topic, partition, 1, ${member}::uuid, ${expiry(sql)}
      FROM unnest(
        ${wanted.map(({ topic }) => topic)}::text[], ${wanted.map(({ partition }) => partition)}::integer[]
      ) AS wanted (topic, partition)
      ORDER BY topic, partition
      ON CONFLICT (group_name, topic, partition) DO UPDATE
      SET owner = excluded.owner, epoch = lease.epoch + 1, expires_at = excluded.expires_at
      WHERE lease.owner IS NULL OR lease.expires_at < clock_timestamp()
      RETURNING topic, partition, epoch, committed`,
    (rows) =>
      rows.map(({ topic, partition, epoch, committed }) => ({
        topic,
        partition,
        epoch: BigInt(epoch),
        position: BigInt(committed),
      })),
  )

/** Gives leases back, their offsets stored; those that were lost stay as they are. */
export const surrender = (
  sql: SqlClient.SqlClient,
  identity: Identity,
  leases: ReadonlyArray<HeldLease>,
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(sql`
    WITH held AS (${held(sql, identity, leases)})
    UPDATE group_partitions AS lease SET committed = held.position, owner = NULL
    FROM held
    WHERE lease.group_name = ${identity.group} AND lease.topic = held.topic AND lease.partition = held.partition`)

/** Leaves the group, after `surrender` of everything. */
export const leave = (sql: SqlClient.SqlClient, { group, member }: Identity): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(sql`DELETE FROM group_members WHERE group_name = ${group} AND member = ${member}::uuid`)

/** Forgets members that have been dead for an hour. */
export const forgetTheDead = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(sql`DELETE FROM group_members WHERE expires_at < clock_timestamp() - interval '1 hour'`)
