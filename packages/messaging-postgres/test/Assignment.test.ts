import { fairShare, type GroupMember, type PartitionState, rebalance } from "@tandem/messaging-postgres/Assignment"
import { keyOf } from "@tandem/messaging-postgres/Partition"
import { FastCheck as fc } from "effect"
import { describe, expect, it } from "vitest"

const ids = fc.uniqueArray(fc.uuid(), { minLength: 1, maxLength: 9 })
const partitionCount = fc.integer({ min: 1, max: 20 })

const membersOf = (all: ReadonlyArray<string>): ReadonlyArray<GroupMember> =>
  all.map((id) => ({ id, topics: ["t", "u"] }))

/** The group as a table of owners, changed by the members' steps as the database would change it. */
const play = (members: ReadonlyArray<string>, owners: Map<string, string>, partitions: number) => {
  const moved = new Set<string>()
  const rounds = partitions + members.length + 2
  for (let round = 0; round < rounds; round++) {
    for (const me of members) {
      const states = ["t", "u"].flatMap((topic) =>
        Array.from({ length: partitions }, (_, partition): PartitionState => {
          const owner = owners.get(keyOf({ topic, partition }))
          return { topic, partition, lease: owner === me ? "mine" : owner === undefined ? "free" : "taken" }
        }),
      )
      const { take, surrender } = rebalance(me, membersOf(members), states)
      for (const partition of surrender) owners.delete(keyOf(partition))
      for (const partition of take) {
        owners.set(keyOf(partition), me)
        moved.add(keyOf(partition))
      }
    }
  }
  return moved
}

const sizes = (members: ReadonlyArray<string>, owners: ReadonlyMap<string, string>, topic: string) =>
  members.map((id) => [...owners].filter(([key, owner]) => owner === id && key.endsWith(`/${topic}`)).length)

describe("Assignment", () => {
  it("shares a topic out without rest and without overlap, no two shares differing by more than one", () => {
    fc.assert(
      fc.property(ids, partitionCount, (members, partitions) => {
        const shares = members.map((id) => fairShare("t", partitions, id, membersOf(members)))
        const covered = shares.flatMap(({ size, start }) => Array.from({ length: size }, (_, index) => start + index))
        expect(covered.sort((one, other) => one - other)).toEqual(
          Array.from({ length: partitions }, (_, index) => index),
        )
        const counts = shares.map(({ size }) => size)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it("comes to the fair share from any assignment, and stays there", () => {
    fc.assert(
      fc.property(ids, partitionCount, fc.array(fc.nat(), { maxLength: 40 }), (members, partitions, choices) => {
        const owners = new Map<string, string>()
        choices.forEach((choice, index) => {
          const owner = members[choice % members.length]
          const partition = { topic: index % 2 === 0 ? "t" : "u", partition: Math.floor(index / 2) % partitions }
          if (owner !== undefined) owners.set(keyOf(partition), owner)
        })
        play(members, owners, partitions)
        for (const topic of ["t", "u"]) {
          const counts = sizes(members, owners, topic)
          expect(counts.reduce((sum, count) => sum + count, 0)).toBe(partitions)
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        }
        expect(play(members, owners, partitions).size).toBe(0)
      }),
    )
  })

  it("moves nothing but what the newcomer gets and what evens out the rest", () => {
    const [newcomer, ...old] = ["m", "a", "z"]
    const owners = new Map<string, string>()
    play(old, owners, 8)
    const moved = play([newcomer, ...old], owners, 8)
    expect(moved.size).toBeLessThanOrEqual(6)
  })

  it("gives a topic that only some members want to these", () => {
    const members = [
      { id: "a", topics: ["t"] },
      { id: "b", topics: ["t", "new"] },
    ]
    expect(fairShare("new", 4, "b", members).size).toBe(4)
  })
})
