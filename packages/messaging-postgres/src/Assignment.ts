import { partitionOf } from "@tandem/messaging/Partitioner"
import type { Partition } from "./Partition.js"

/** A live member of a consumer group. */
export interface GroupMember {
  readonly id: string
  readonly topics: ReadonlyArray<string>
}

/** A partition of the group, as a member sees it. */
export interface PartitionState extends Partition {
  /** `mine` while this member works on it, `free` when nobody holds its lease, `taken` by somebody else. */
  readonly lease: "mine" | "free" | "taken"
}

/** What a member does to come to its fair share. */
export interface Rebalance {
  readonly take: ReadonlyArray<Partition>
  readonly surrender: ReadonlyArray<Partition>
  /** Whether it holds less than its share until others surrender theirs. */
  readonly isShort: boolean
}

/**
 * How many of a topic's partitions are a member's due, and where in the topic its own begin: all shares together are the topic, no two
 * differ by more than one, and every member computes the same from the same members. Topics differ in whom they give one more.
 */
export const fairShare = (
  topic: string,
  partitions: number,
  member: string,
  members: ReadonlyArray<GroupMember>,
): { readonly size: number; readonly start: number } => {
  const others = members.filter(({ topics }) => topics.includes(topic)).map(({ id }) => id)
  const ids = [...new Set([member, ...others])].sort()
  const rank = (ids.indexOf(member) + partitionOf(topic, ids.length)) % ids.length
  const least = Math.floor(partitions / ids.length)
  const more = partitions % ids.length
  return { size: least + (rank < more ? 1 : 0), start: rank * least + Math.min(rank, more) }
}

/**
 * The next steps toward the fair share. What a member holds stays with it as far as it can, whoever joins or leaves. Each topic by
 * itself, so that members of one group may differ in their topics, as during a deployment. `states` are ordered by partition.
 */
export const rebalance = (
  member: string,
  members: ReadonlyArray<GroupMember>,
  states: ReadonlyArray<PartitionState>,
): Rebalance => {
  const take: Array<Partition> = []
  const surrender: Array<Partition> = []
  let isShort = false
  for (const topic of new Set(states.map((state) => state.topic))) {
    const all = states.filter((state) => state.topic === topic)
    const share = fairShare(topic, all.length, member, members)
    // From the own beginning on, so that members who start together do not reach for the same ones.
    const inOrder = [...all.slice(share.start), ...all.slice(0, share.start)]
    const mine = inOrder.filter(({ lease }) => lease === "mine")
    const free = inOrder.filter(({ lease }) => lease === "free")
    const wanted = Math.max(0, share.size - mine.length)
    take.push(...free.slice(0, wanted))
    surrender.push(...mine.slice(share.size))
    if (free.length < wanted) isShort = true
  }
  return { take, surrender, isShort }
}
