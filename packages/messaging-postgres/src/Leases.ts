import { Effect } from "effect"
import type { PartitionState } from "./Assignment.js"
import type { HeldLease, PartitionRow } from "./GroupTable.js"
import { keyOf, type Partition } from "./Partition.js"

interface Lease extends Partition {
  readonly epoch: bigint
  position: bigint
  isSurrendering: boolean
}

/**
 * What a member holds, in memory: the leases it knows of, how far each partition is done, and which batches are in hand. A batch may
 * outlive its lease; then acknowledging it changes no position, and the partition is not taken again before.
 */
export class Leases {
  /** Opened when a partition may have become readable. */
  readonly readable = Effect.unsafeMakeLatch()
  /** Opened when a lease that is to be surrendered has no batch in hand any more. */
  readonly surrenderable = Effect.unsafeMakeLatch()
  private readonly held = new Map<string, Lease>()
  private readonly inHand = new Set<string>()

  all(): ReadonlyArray<HeldLease> {
    return [...this.held.values()].map(snapshot)
  }

  /** Those that may be read: no batch in hand, not to be surrendered. */
  idle(): ReadonlyArray<HeldLease> {
    return [...this.held.values()].filter((lease) => !this.isInHand(lease) && !lease.isSurrendering).map(snapshot)
  }

  /** How a partition of the group stands to this member. */
  state(row: PartitionRow): PartitionState {
    const { topic, partition } = row
    if (this.held.has(keyOf(row))) return { topic, partition, lease: "mine" }
    return { topic, partition, lease: row.is_free && !this.isInHand(row) ? "free" : "taken" }
  }

  add(taken: ReadonlyArray<HeldLease>): void {
    for (const lease of taken) this.held.set(keyOf(lease), { ...lease, isSurrendering: false })
    this.readable.unsafeOpen()
  }

  drop(leases: ReadonlyArray<HeldLease>): void {
    for (const lease of leases) this.held.delete(keyOf(lease))
  }

  /** Reads no more from exactly these; answers those of them that have no batch in hand. */
  surrender(partitions: ReadonlyArray<Partition>): ReadonlyArray<HeldLease> {
    const leaving = new Set(partitions.map(keyOf))
    for (const lease of this.held.values()) lease.isSurrendering = leaving.has(keyOf(lease))
    this.readable.unsafeOpen()
    return [...this.held.values()].filter((lease) => lease.isSurrendering && !this.isInHand(lease)).map(snapshot)
  }

  /**
   * Puts a batch in hand that was read under a lease and ends before `end`; answers what acknowledges it, or undefined when the lease
   * has been lost or is to be surrendered since, so that nobody must work on the batch.
   */
  begin({ topic, partition, epoch }: HeldLease, end: bigint): Effect.Effect<void> | undefined {
    const key = keyOf({ topic, partition })
    const lease = this.held.get(key)
    if (lease === undefined || lease.epoch !== epoch || lease.isSurrendering || this.inHand.has(key)) return undefined
    this.inHand.add(key)
    let isAcknowledged = false
    return Effect.sync(() => {
      if (isAcknowledged) return
      isAcknowledged = true
      this.inHand.delete(key)
      lease.position = end
      if (lease.isSurrendering) this.surrenderable.unsafeOpen()
      this.readable.unsafeOpen()
    })
  }

  private isInHand(partition: Partition): boolean {
    return this.inHand.has(keyOf(partition))
  }
}

const snapshot = ({ topic, partition, epoch, position }: Lease): HeldLease => ({ topic, partition, epoch, position })
