import { paymentRequestsTopic, paymentResultsTopic, topics } from "@tandem/contracts/messages/Topics"
import type { BrokerUnavailable } from "@tandem/messaging/Broker"
import { Ids } from "@tandem/messaging/Ids"
import * as MemoryBroker from "@tandem/messaging/MemoryBroker"
import type { OutgoingMessage, ReceivedMessage } from "@tandem/messaging/Message"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { orderSchema } from "@tandem/order-service/sql/migrations/orders"
import { pushSchema } from "@tandem/order-service/sql/migrations/push"
import { ledgerSchema, paymentSchema } from "@tandem/payment-service/sql/migrations/payments"
import { Duration, Effect, Exit, Logger, LogLevel, Random, Schedule as Retry, Stream } from "effect"
import { type Databases, isQuiet, violationsOf } from "./Check.js"
import { SimulatedDatabase } from "./Database.js"
import { Instance } from "./Instance.js"
import type { Fault, Operation, Schedule } from "./Schedule.js"
import { type Draw, seeded, whole } from "./Seeded.js"
import { Witness } from "./Witness.js"
import { goingBy, World } from "./World.js"

/** What a schedule came to. */
export interface Outcome {
  /** What is wrong in the end; nothing when every promise was kept. */
  readonly violations: ReadonlyArray<string>
  /** The same for the same schedule. */
  readonly trace: string
  /** Orders that were there in the end. */
  readonly orders: number
  /** How many crashes it saw, and how many ms of its own time it took. */
  readonly crashes: number
  readonly elapsed: number
}

/** After the faults, everything is done within this, in ms of the simulation's time, or something is stuck. */
const patience = 120_000

/** Both databases, empty. They serve one simulation after the other. */
export const openDatabases = async (): Promise<Databases & { readonly close: () => Promise<void> }> => {
  const [order, payment] = await goingBy(new World(seeded(0)).time, async () => [
    await SimulatedDatabase.open([messagingSchema, orderSchema, pushSchema]),
    await SimulatedDatabase.open([messagingSchema, ledgerSchema, paymentSchema]),
  ])
  return {
    order,
    payment,
    close: async () => {
      await order.close()
      await payment.close()
    },
  }
}

/** Plays a schedule from the beginning to the end, and looks at what is left. */
export const simulate = (databases: Databases, schedule: Schedule): Promise<Outcome> => {
  const world = new World(seeded(schedule.seed ^ 0x2545f491))
  return goingBy(world.time, () => simulateIn(world, databases, schedule))
}

const simulateIn = async (world: World, databases: Databases, schedule: Schedule): Promise<Outcome> => {
  await databases.order.reset()
  await databases.payment.reset()
  const draw = seeded(schedule.seed ^ 0x5bd1e995)
  let crashes = 0
  const absence = () => {
    crashes++
    return whole(draw, 50, 6_000)
  }
  const done = new Set<Operation>()
  const witness = new Witness()
  let exit: Exit.Exit<void, unknown> | undefined
  const fiber = Effect.runFork(
    play({ schedule, databases, world, draw, absence, done, witness }).pipe(
      Effect.scoped,
      Effect.withClock(world.clock),
      Effect.withRandom(Random.make(schedule.seed)),
      Effect.provideService(Ids, { next: Effect.sync(idsFrom(world, draw)) }),
      Effect.provide(Logger.minimumLogLevel(LogLevel.None)),
      Effect.withTracerEnabled(false),
    ),
    { scheduler: world.scheduler },
  )
  fiber.addObserver((ended) => {
    exit = ended
  })
  let stuck: string | undefined
  await world
    .run(() => exit !== undefined)
    .catch((fault: Error) => {
      stuck = fault.message
    })
  if (exit !== undefined && Exit.isFailure(exit)) stuck = String(exit.cause)
  const { length: orders } = await databases.order.rows("SELECT id FROM orders")
  return {
    violations: [...(stuck === undefined ? [] : [stuck]), ...(await violationsOf(databases, schedule, done, witness))],
    trace: world.trace,
    orders,
    crashes,
    elapsed: world.elapsed,
  }
}

interface Play {
  readonly schedule: Schedule
  readonly databases: Databases
  readonly world: World
  readonly draw: Draw
  readonly absence: () => number
  readonly done: Set<Operation>
  readonly witness: Witness
}

const play = ({ schedule, databases, world, draw, absence, done, witness }: Play) =>
  Effect.gen(function* () {
    const broker = yield* MemoryBroker.cluster({
      seed: schedule.seed,
      faults: {
        lostAcknowledgement: 0.05,
        duplicate: 0.1,
        reorder: schedule.breakKeyOrder ? 0.4 : 0.1,
        delay: "60 millis",
        breakKeyOrder: schedule.breakKeyOrder,
      },
    })
    const operator = yield* broker
    yield* Effect.orDie(operator.ensureTopics(topics))
    const instances = schedule.instances.map(
      (name) => new Instance(name, { world, draw, broker, databases, absence, witness }),
    )
    for (const instance of instances) {
      yield* instance.start
    }

    const said: Array<ReceivedMessage> = []
    yield* operator.subscribe({ group: "bystander", topics: [paymentRequestsTopic, paymentResultsTopic] }).pipe(
      Stream.runForEach((batch) => {
        said.push(...batch.messages)
        return batch.acknowledge
      }),
      Effect.forkScoped,
    )

    const perform = (operation: Operation) =>
      Effect.gen(function* () {
        yield* Effect.sleep(Duration.millis(operation.at))
        const service = operation.kind === "top up" ? "payment" : "order"
        const able = instances.filter((instance) => instance.service === service && instance.gate !== undefined)
        const chosen = able[whole(draw, 0, Math.max(0, able.length - 1))]
        if (chosen === undefined) return
        world.note(`${operation.kind} at ${chosen.name}`)
        if (yield* chosen.perform(operation)) done.add(operation)
      })
    const nextIdOf = idsFrom(world, draw)
    const strike = (fault: Fault) =>
      Effect.gen(function* () {
        yield* Effect.sleep(Duration.millis(fault.at))
        world.note(fault.kind)
        if (fault.kind === "poison") {
          const topic = fault.topic === "requests" ? paymentRequestsTopic : paymentResultsTopic
          const value = new TextEncoder().encode(fault.mark)
          return yield* untilPublished(operator.publish([{ topic, key: "user-1", value, headers: {} }]))
        }
        if (fault.kind === "repeat") {
          const again = underNewId(said[Math.floor(fault.which * said.length)], nextIdOf())
          return yield* again === undefined ? Effect.void : untilPublished(operator.publish([again]))
        }
        const gate = instances.find(({ name }) => name === fault.instance)?.gate
        if (fault.kind === "mishap") gate?.arm(fault.mishap)
        else gate?.lose(fault.kind === "database away" ? "database" : "broker", fault.lasts)
      })
    yield* Effect.all([...schedule.operations.map(perform), ...schedule.faults.map(strike)], {
      concurrency: "unbounded",
      discard: true,
    })
    for (const { gate } of instances) gate?.disarm()

    const poison = schedule.faults.filter(({ kind }) => kind === "poison").length
    const deadline = world.elapsed + patience
    // For a while, for copies that are still on their way are answered, too.
    for (let quiet = 0; quiet < 4 && world.elapsed < deadline; ) {
      yield* Effect.sleep("500 millis")
      quiet = (yield* Effect.promise(() => isQuiet(databases, poison))) ? quiet + 1 : 0
    }
  })

/** The same said again; nothing of what is no event. */
const underNewId = (message: ReceivedMessage | undefined, id: string): OutgoingMessage | undefined => {
  const text = new TextDecoder().decode(message?.value ?? new Uint8Array())
  if (message === undefined || message.key === null || !text.startsWith("{")) return undefined
  const value = new TextEncoder().encode(JSON.stringify({ ...JSON.parse(text), id }))
  return { topic: message.topic, key: new TextDecoder().decode(message.key), value, headers: message.headers }
}

const untilPublished = (publish: Effect.Effect<void, BrokerUnavailable | { readonly _tag: "BatchTooLarge" }>) =>
  Effect.orDie(Effect.retry(publish, Retry.spaced("300 millis")))

/** UUIDv7 of the simulated time. */
const idsFrom = (world: World, draw: Draw) => () => {
  const time = world.time().toString(16).padStart(12, "0")
  const random = (digits: number) => Array.from({ length: digits }, () => Math.floor(draw() * 16).toString(16)).join("")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random(3)}-8${random(3)}-${random(12)}`
}
