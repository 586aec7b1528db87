import { partitionOf } from "@tandem/messaging/Partitioner"
import { describe, expect, it } from "vitest"

describe("partitions of keys", () => {
  // The vectors of org.apache.kafka.common.utils.UtilsTest; so many partitions leave the positive hash as it is.
  it.each([
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ])("hashes %s as Kafka's clients do", (key, hash) => {
    expect(partitionOf(key, 2 ** 31 - 1)).toBe(hash & 0x7fffffff)
  })
})
