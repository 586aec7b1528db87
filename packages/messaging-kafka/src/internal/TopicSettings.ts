import type { TopicSpec } from "@tandem/messaging/Broker"
import type { KafkaBrokerOptions } from "../KafkaBrokerOptions.js"

/** How long messages are kept when nobody says, in ms: 30 days. */
const defaultRetention = 30 * 24 * 60 * 60 * 1_000

/** How a topic is made on a cluster of so many brokers. */
export const topicSettings = (options: KafkaBrokerOptions, topic: TopicSpec, brokers: number) => {
  const replicationFactor = options.replicationFactor ?? Math.min(3, brokers)
  const minInsyncReplicas = options.minInsyncReplicas ?? Math.max(1, replicationFactor - 1)
  return {
    replicationFactor,
    configs: [
      { name: "retention.ms", value: String(topic.retentionMs ?? defaultRetention) },
      { name: "min.insync.replicas", value: String(minInsyncReplicas) },
    ],
  }
}
