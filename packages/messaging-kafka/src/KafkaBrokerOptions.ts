/** Which Kafka, and how safe its topics are. */
export interface KafkaBrokerOptions {
  /** `host:port` of some of its brokers. */
  readonly brokers: ReadonlyArray<string>
  /** How the service calls itself at the broker. */
  readonly clientId: string
  /** Copies of each partition of a topic that is made; the smaller of 3 and the number of brokers when absent. */
  readonly replicationFactor?: number
  /** Copies that must have a message before it is acknowledged; one less than the replication factor when absent, 1 at least. */
  readonly minInsyncReplicas?: number
}
