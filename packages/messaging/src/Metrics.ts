import { Metric, MetricBoundaries } from "effect"

// What the kit measures, by Prometheus' naming: `_total` counts, seconds and messages as units. No key, id or value is ever a label.

/** Rows that wait in the outbox, committed and not yet acknowledged by the broker; counted every 5 s, to `outboxDepthLimit`. */
export const outboxDepth = Metric.gauge("messaging_outbox_depth", {
  description: "Rows waiting in the outbox; 100000 stands for that many or more",
})

/** How far `outboxDepth` counts: an outage may leave millions, and counting must stay cheap. */
export const outboxDepthLimit = 100_000

/** How long the first of the waiting rows has been there, in seconds; 0 when none waits. */
export const outboxOldestAge = Metric.gauge("messaging_outbox_oldest_age_seconds", {
  description: "Age of the oldest row waiting in the outbox, in seconds",
})

/** 1 while this process publishes the outbox, 0 while another one does or nobody can. */
export const relayLeader = Metric.gauge("messaging_relay_leader", {
  description: "1 when this process holds the relay's lease",
})

/** Messages that the broker acknowledged, by `topic`. A message that was sent twice counts twice. */
export const published = Metric.counter("messaging_outbox_published_total", {
  description: "Messages published from the outbox and acknowledged by the broker",
  incremental: true,
})

/** Times that the outbox could not be read or published. */
export const publishFailures = Metric.counter("messaging_outbox_publish_failures_total", {
  description: "Failed attempts to read or publish the outbox",
  incremental: true,
})

const batchSizes = MetricBoundaries.fromIterable([1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000])
const seconds = MetricBoundaries.fromIterable([
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60,
])

/** Messages of one publish. */
export const publishBatchSize = Metric.histogram(
  "messaging_outbox_publish_batch_messages",
  batchSizes,
  "Messages in one publish",
)

/** From handing a batch to the broker to its acknowledgement, in seconds. */
export const publishDuration = Metric.histogram(
  "messaging_outbox_publish_duration_seconds",
  seconds,
  "Time from publishing a batch to its acknowledgement",
)

/** Messages settled, duplicates and dead letters among them, by `consumer`. */
export const consumed = Metric.counter("messaging_consumer_messages_total", {
  description: "Messages settled by a consumer, duplicates and dead letters included",
  incremental: true,
})

/** Messages that wait at the broker behind the last settled one, by `consumer`, `topic` and `partition`; as of the last batch. */
export const consumerLag = Metric.gauge("messaging_consumer_lag", {
  description: "Messages at the broker that the consumer has not settled yet, as of its last batch",
})

/** Messages that the inbox knew already, by `consumer`. */
export const duplicates = Metric.counter("messaging_inbox_duplicates_total", {
  description: "Messages dropped because the inbox had seen them",
  incremental: true,
})

/** Batches that were tried again after a technical fault, by `consumer`. */
export const retries = Metric.counter("messaging_consumer_retries_total", {
  description: "Batches tried again after a technical fault",
  incremental: true,
})

/** Messages set aside, by `consumer`. */
export const deadLetters = Metric.counter("messaging_dead_letters_total", {
  description: "Messages set aside as dead letters",
  incremental: true,
})

/** Messages of one transaction, by `consumer`. */
export const consumeBatchSize = Metric.histogram(
  "messaging_consumer_batch_messages",
  batchSizes,
  "Messages settled in one transaction",
)

/** From the start of a batch to its commit, its retries included, in seconds, by `consumer`. */
export const consumeDuration = Metric.histogram(
  "messaging_consumer_batch_duration_seconds",
  seconds,
  "Time to settle a batch, retries included",
)
