import kafkajs from "kafkajs"
import { openLoop } from "./openLoop.js"

const { Kafka, Partitioners, logLevel } = kafkajs

/**
 * Latencies in ms, sorted: what the same two hops over Kafka take with nothing around them. Each message goes to a topic, whose consumer
 * sends it on to a second one, at a fixed rate; kafkajs, acks = all, one request at a time with everything that has come meanwhile, no
 * offsets stored.
 */
export const bareHops = async (kafka: string, perSecond: number, seconds: number): Promise<Float64Array> => {
  const run = Date.now().toString(36)
  const client = new Kafka({ clientId: "bare-hops", brokers: kafka.split(","), logLevel: logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  const [there, back] = [`bench-there-${run}`, `bench-back-${run}`]
  await admin.createTopics({
    waitForLeaders: true,
    topics: [there, back].map((topic) => ({ topic, numPartitions: 8 })),
  })
  await admin.disconnect()
  const producers = [await sender(client, there), await sender(client, back)] as const
  const consume = async (topic: string, take: (values: ReadonlyArray<string>) => void) => {
    const consumer = client.consumer({ groupId: topic, maxWaitTimeInMs: 500, minBytes: 1 })
    const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      // A commit between two fetches would be most of the latency.
      autoCommit: false,
      partitionsConsumedConcurrently: 8,
      eachBatch: async ({ batch }) => take(batch.messages.map(({ value }) => String(value))),
    })
    await joined
    return consumer
  }
  const sent = new Map<string, number>()
  const latencies: Array<number> = []
  const consumers = [
    await consume(there, producers[1].send),
    await consume(back, (values) => {
      for (const value of values) latencies.push(performance.now() - (sent.get(value) ?? Number.NaN))
    }),
  ]
  await openLoop(perSecond, seconds, async (sequence) => {
    const value = String(sequence)
    sent.set(value, performance.now())
    producers[0].send([value])
  })
  const deadline = performance.now() + 30_000
  while (latencies.length < perSecond * seconds && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  for (const consumer of consumers) await consumer.disconnect()
  for (const producer of producers) await producer.stop()
  return Float64Array.from(latencies).sort()
}

/** Sends to one topic, a request at a time. */
const sender = async (client: InstanceType<typeof Kafka>, topic: string) => {
  const producer = client.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  let waiting: Array<string> = []
  let busy = false
  const flush = async () => {
    if (busy || waiting.length === 0) return
    busy = true
    const messages = waiting.map((value) => ({ key: value, value }))
    waiting = []
    await producer.send({ topic, acks: -1, messages })
    busy = false
    await flush()
  }
  return {
    send: (values: ReadonlyArray<string>) => {
      waiting.push(...values)
      void flush()
    },
    stop: () => producer.disconnect(),
  }
}
