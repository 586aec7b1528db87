import { setTimeout as delay } from "node:timers/promises"
import { startDuplicator } from "../Duplicator.js"
import { RestlessClient } from "../RestlessClient.js"
import { seeded } from "../Seeded.js"
import { allServe, drawFault, type Fault } from "./Catalogue.js"
import { check } from "./Checker.js"
import { startObserver } from "./Observer.js"
import { startFaultySystem } from "./System.js"
import { openBook, runWave } from "./Workload.js"

/** How large a campaign is. */
export interface CampaignOptions {
  readonly broker: "postgres" | "kafka"
  /** Decides the faults, their targets and how long they last, and what the clients do; what they meet depends on the machine. */
  readonly seed: number
  /** After each of them everything is healed and checked. */
  readonly rounds: number
  /** In each round, at least. */
  readonly faults: number
  readonly orders: number
  /** Told what happens. */
  readonly say: (line: string) => void
  /** Given what ends all processes, for whoever breaks the campaign off. */
  readonly onStart?: (stop: () => Promise<void>) => void
}

/** What a campaign came to. */
export interface CampaignReport {
  /** How often each kind of fault was injected. */
  readonly faults: Readonly<Record<string, number>>
  /** Accepted orders, all of them checked after each round. */
  readonly orders: number
  /** How often each command got each status at last. */
  readonly answers: Readonly<Record<string, number>>
  readonly retries: number
  /** Messages that were put on the broker a second time. */
  readonly copies: number
  /** How often what happened to the listeners. */
  readonly listened: Readonly<Record<string, number>>
  readonly violations: ReadonlyArray<string>
  /** The last lines of all processes, when something is wrong. */
  readonly log: ReadonlyArray<string>
}

const clients = 48
const users = 40
const listeners = 40

/** So many faults at once. */
const lanes = 3

/** Between two faults of a lane, in ms. */
const pause = 300

/** Shorter than some of the faults, so that orders time out, too. */
const paymentTimeout = "8 seconds"

/** Runs rounds of clients and faults against the whole system, and checks everything after each. */
export const runCampaign = async (options: CampaignOptions): Promise<CampaignReport> => {
  const { broker, seed, rounds, say } = options
  const system = await startFaultySystem({ broker, paymentTimeout })
  options.onStart?.(system.stop)
  const observer = startObserver(system.brokerUrl)
  const book = openBook()
  const poison = new Set<string>()
  const faults: Record<string, number> = {}
  const listened: Record<string, number> = {}
  const violations: Array<string> = []
  const wrongFrames: Array<string> = []
  let copies = 0

  const urls = system.instances.filter(({ service }) => service === "order").map(({ url }) => url)
  const shared = { urls, said: new Map<string, string>(), faults: wrongFrames }
  const count = (what: string) => {
    listened[what] = (listened[what] ?? 0) + 1
  }
  const restless = Array.from({ length: listeners }, (_, number) => {
    const random = seeded(seed * 7_000 + number)
    return new RestlessClient(`listener ${number}`, `user-${number % users}`, { ...shared, random, count })
  })
  const listening = Promise.all(restless.map((client) => client.run()))

  const round = async (number: number) => {
    const [copying, drawing, poisoning] = [0, 1, 2].map((use) => seeded(seed * 1_000 + number * 10 + use)) as [
      () => number,
      () => number,
      () => number,
    ]
    const duplicator = startDuplicator(system.brokerUrl, copying)
    const drawn = Array.from({ length: options.faults }, () => drawFault(system, drawing))
    const disturbance = disturb(drawn, async ({ kind }, begin) => {
      faults[kind] = (faults[kind] ?? 0) + 1
      say(`  ${kind}`)
      await begin()
    })
    let disturbed = false
    const poisoned = (async () => {
      for (let dose = 0; dose < 3; dose++) {
        poison.add(await observer.poison(poisoning))
        faults["poison message"] = (faults["poison message"] ?? 0) + 1
        await delay(500 + poisoning() * 3_000)
      }
    })()
    const wanted = number * options.orders
    const wave = runWave(system, book, {
      seed: seed * 100 + number,
      clients,
      users,
      goOn: () => !disturbed || book.orders.size < wanted,
    })
    await disturbance
    disturbed = true
    await Promise.all([wave, poisoned])
    await duplicator.stop()
    copies += duplicator.copies()
    await allServe(system)
    const wrong = await check(system, { book, observer, poison, listeners: restless, paymentTimeout })
    const all = [...wrong, ...wrongFrames.splice(0)]
    say(`round ${number} of ${rounds}: ${book.orders.size} orders, ${all.length} violations`)
    for (const violation of all) say(`  ${violation}`)
    violations.push(...all)
  }

  try {
    for (let number = 1; number <= rounds && violations.length === 0; number++) await round(number)
  } catch (fault) {
    violations.push(system.givenUp() ?? String(fault))
  } finally {
    for (const client of restless) client.stop()
    await listening
    await observer.stop()
    await system.stop()
  }
  return {
    faults,
    orders: book.orders.size,
    answers: book.answers,
    retries: book.retries,
    copies,
    listened,
    violations,
    log: violations.length === 0 ? [] : system.log,
  }
}

/** All of the faults, some at once, none at the target of another. */
const disturb = async (
  drawn: ReadonlyArray<Fault>,
  inject: (fault: Fault, begin: () => Promise<void>) => Promise<void>,
): Promise<void> => {
  const waiting = [...drawn]
  const busy = new Set<string>()
  const lane = async () => {
    while (waiting.length > 0) {
      const next = waiting.findIndex(({ targets }) => !targets.some((target) => busy.has(target)))
      const [fault] = next < 0 ? [] : waiting.splice(next, 1)
      if (fault !== undefined) {
        for (const target of fault.targets) busy.add(target)
        await inject(fault, async () => {
          const heal = await fault.begin()
          await delay(fault.lasts)
          await heal()
        })
        for (const target of fault.targets) busy.delete(target)
      }
      await delay(pause)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
