import { compatibilityPartitioner, Producer } from "@platformatic/kafka"
import kafkajs from "kafkajs"
import { headers, key, topic, value } from "./outboxRows.js"

const { CompressionTypes, Kafka, Partitioners, logLevel } = kafkajs

/** The Kafka clients that the kit has drivers for. */
export type Client = "kafkajs" | "platformatic"

/**
 * Messages a second through a client alone: the relay's keys, bytes, header and batches, made beforehand and sent one batch after the
 * other, idempotent, acknowledged by all replicas.
 */
export const bareProducer = async (client: Client, kafka: string, rows: number, batch: number): Promise<number> => {
  const batches = Array.from({ length: Math.ceil(rows / batch) }, (_, b) =>
    Array.from({ length: Math.min(batch, rows - b * batch) }, (_, n) => b * batch + n),
  )
  return client === "kafkajs" ? withKafkajs(kafka, batches, rows) : withPlatformatic(kafka, batches, rows)
}

type Batches = ReadonlyArray<ReadonlyArray<number>>

const withKafkajs = async (kafka: string, batches: Batches, rows: number) => {
  const producer = new Kafka({ clientId: "bare", brokers: [kafka], logLevel: logLevel.NOTHING }).producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const sends = batches.map((ids) => ids.map((n) => ({ key: key(n), value: value(n), headers })))
  const start = performance.now()
  for (const messages of sends) {
    await producer.sendBatch({ acks: -1, compression: CompressionTypes.None, topicMessages: [{ topic, messages }] })
  }
  const seconds = (performance.now() - start) / 1_000
  await producer.disconnect()
  return rows / seconds
}

const withPlatformatic = async (kafka: string, batches: Batches, rows: number) => {
  const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
    clientId: "bare",
    bootstrapBrokers: [kafka],
    idempotent: true,
    partitioner: compatibilityPartitioner,
  })
  const bytes = new Map(Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]))
  const sends = batches.map((ids) =>
    ids.map((n) => ({ topic, key: Buffer.from(key(n)), value: value(n), headers: bytes })),
  )
  const start = performance.now()
  for (const messages of sends) await producer.send({ messages, acks: -1 })
  const seconds = (performance.now() - start) / 1_000
  await producer.close()
  return rows / seconds
}
