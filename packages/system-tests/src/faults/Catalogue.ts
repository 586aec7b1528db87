import { setTimeout as delay } from "node:timers/promises"
import pg from "pg"
import { call, eventually } from "../Client.js"
import type { DatabaseServer, Server } from "./Server.js"
import type { FaultySystem, Instance, Links } from "./System.js"

/** A fault at a target, ready to begin. */
export interface Fault {
  /** As the table of the report has it. */
  readonly kind: string
  /** Names of what must have no other fault meanwhile. */
  readonly targets: ReadonlyArray<string>
  /** How long it lasts, in ms. */
  readonly lasts: number
  /** Begins it; what is answered heals it, and is done when what was hit serves again. */
  readonly begin: () => Promise<() => Promise<void>>
}

/** Draws a fault. `random` gives numbers in [0, 1). */
export type Draw = (system: FaultySystem, random: () => number) => Fault

const pick = <A>(random: () => number, from: ReadonlyArray<A>): A => {
  const one = from[Math.floor(random() * from.length)]
  if (one === undefined) throw new Error("there is nothing to pick from")
  return one
}

const between = (random: () => number, least: number, most: number) => Math.round(least + random() * (most - least))

/** A minute is more than a service needs; a machine under load may take long. */
const patience = 120

const serves = ({ name, process }: Instance) =>
  eventually(
    `${name} to serve again`,
    async () => {
      const { status } = await call("GET", `${process.url}/health/live`, undefined, {}, 2_000)
      return status === 200 || undefined
    },
    patience,
  ).then(() => undefined)

const isUp = async ({ superuserUrl, name }: DatabaseServer) => {
  await eventually(`${name} to answer`, () => run(superuserUrl, ["SELECT"]), patience)
}

/** Each statement is a transaction of its own. */
const run = async (url: string, statements: ReadonlyArray<string>) => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on("error", () => undefined)
  try {
    await client.connect()
    for (const statement of statements) await client.query(statement)
    return true
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Says something to a database until it has been heard, whatever else happens to it. */
const insist = ({ superuserUrl, name }: DatabaseServer, ...statements: ReadonlyArray<string>) =>
  eventually(`${name} to obey`, () => run(superuserUrl, statements), patience)

const killInstance: Draw = ({ instances }, random) => {
  const one = pick(random, instances)
  return {
    kind: `kill -9, ${one.service} service`,
    targets: [one.name],
    lasts: 0,
    begin: async () => {
      one.process.kill9()
      return async () => {
        await delay(200)
        await serves(one)
      }
    },
  }
}

const freezeInstance: Draw = ({ instances }, random) => {
  const one = pick(random, instances)
  return {
    kind: `SIGSTOP, ${one.service} service`,
    targets: [one.name],
    // Longer than every lease, lock timeout and session now and then.
    lasts: random() < 0.5 ? between(random, 200, 3_000) : between(random, 4_000, 14_000),
    begin: async () => {
      one.process.signal("SIGSTOP")
      return async () => {
        one.process.signal("SIGCONT")
        await serves(one)
      }
    },
  }
}

const rollingRestart: Draw = ({ instances }) => ({
  kind: "rolling restart of all instances",
  targets: instances.map(({ name }) => name),
  lasts: 0,
  begin: async () => {
    for (const one of instances) await one.process.restart()
    return async () => undefined
  },
})

const jumpClock: Draw = ({ instances }, random) => {
  const one = pick(random, instances)
  const minutes = pick(random, [-60, -2, 2, 60])
  return {
    kind: `wall clock ${minutes < 0 ? "back" : "ahead"}, ${one.service} service`,
    targets: [one.name],
    lasts: between(random, 1_000, 6_000),
    begin: async () => {
      one.shiftClock(minutes * 60_000)
      return async () => one.shiftClock(0)
    },
  }
}

const disturbLink: Draw = ({ broker, instances }, random) => {
  const one = pick(random, instances)
  const way: keyof Links = pick(random, ["clients", "database", "broker"])
  const how = pick(random, ["cut", "half-open", "slow"])
  const ends = { clients: "clients", database: "PostgreSQL", broker: broker === "kafka" ? "Kafka" : "broker" }[way]
  const link = one.links[way]
  // What all instances share is disturbed for all of them.
  const targets = way === "broker" && broker === "kafka" ? ["the way to Kafka"] : [`${one.name} ${way}`]
  const milliseconds = between(random, 20, 300)
  return {
    kind: `TCP ${how}, ${targets[0]?.startsWith("the") ? "services" : `${one.service} service`} – ${ends}`,
    targets,
    lasts: between(random, 200, 8_000),
    begin: async () => {
      if (how === "cut") link.cut()
      else if (how === "half-open") link.freeze()
      else link.slow(milliseconds)
      return async () => link.heal()
    },
  }
}

const serverFault: Draw = (system, random) => {
  const server: Server = pick(random, system.servers)
  const kill = random() < 0.5
  return {
    kind: `${kill ? "kill -9" : "SIGSTOP"}, ${server.name}`,
    targets: [server.name],
    lasts: kill ? between(random, 100, 4_000) : between(random, 500, 8_000),
    begin: async () => {
      if (!kill) {
        server.freeze()
        return async () => server.thaw()
      }
      await server.kill9()
      return () => server.revive()
    },
  }
}

const readOnly: Draw = ({ databases }, random) => {
  const name = pick(random, ["orders", "payments"] as const)
  const server = databases[name]
  const hangUp = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}' AND pid <> pg_backend_pid()`
  return {
    kind: `read-only database (${name})`,
    targets: [server.name],
    lasts: between(random, 500, 4_000),
    begin: async () => {
      await insist(server, `ALTER DATABASE ${name} SET default_transaction_read_only = on`, hangUp)
      return async () => {
        await insist(
          server,
          "SET default_transaction_read_only = off",
          `ALTER DATABASE ${name} RESET default_transaction_read_only`,
          hangUp,
        )
      }
    },
  }
}

/** What PostgreSQL says when its disk is full, wherever the outbox should grow. */
const diskFull: Draw = ({ databases }, random) => {
  const name = pick(random, ["orders", "payments"] as const)
  const server = databases[name]
  return {
    kind: `full disk (${name})`,
    targets: [server.name],
    lasts: between(random, 500, 5_000),
    begin: async () => {
      await insist(
        server,
        `CREATE OR REPLACE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`,
        "CREATE OR REPLACE TRIGGER disk_is_full BEFORE INSERT ON outbox_events EXECUTE FUNCTION disk_is_full()",
      )
      return async () => {
        await insist(server, "DROP TRIGGER disk_is_full ON outbox_events")
      }
    },
  }
}

const longTransaction: Draw = ({ databases }, random) => {
  const name = pick(random, ["orders", "payments"] as const)
  const server = databases[name]
  const locks = random() < 0.5
  const rows = name === "orders" ? "SELECT FROM orders WHERE status = 'NEW' LIMIT 20" : "SELECT FROM accounts LIMIT 5"
  return {
    kind: locks ? `locks held by somebody else (${name})` : `transaction held open (${name})`,
    targets: [server.name],
    lasts: locks ? between(random, 500, 5_000) : between(random, 2_000, 12_000),
    begin: async () => {
      const client = new pg.Client({ connectionString: server.superuserUrl })
      client.on("error", () => undefined)
      await client.connect()
      await client.query("BEGIN; SELECT pg_current_xact_id()")
      if (locks) await client.query(`${rows} FOR UPDATE`)
      return () => client.end().catch(() => undefined)
    },
  }
}

/** Every kind, with how often it is drawn beside the others. */
const catalogue: ReadonlyArray<readonly [weight: number, draw: Draw]> = [
  [4, killInstance],
  [4, freezeInstance],
  [1, rollingRestart],
  [2, jumpClock],
  [6, disturbLink],
  [3, serverFault],
  [1, readOnly],
  [1, diskFull],
  [2, longTransaction],
]

const weights = catalogue.reduce((sum, [weight]) => sum + weight, 0)

/** Draws any fault. */
export const drawFault: Draw = (system, random) => {
  let point = random() * weights
  for (const [weight, draw] of catalogue) {
    point -= weight
    if (point < 0) return draw(system, random)
  }
  return killInstance(system, random)
}

/** Done when everything serves and every database answers. */
export const allServe = async (system: FaultySystem): Promise<void> => {
  await Promise.all(Object.values(system.databases).map(isUp))
  await Promise.all(
    system.instances.map((one) =>
      eventually(
        `${one.name} to be ready`,
        async () => {
          const { status } = await call("GET", `${one.url}/health/ready`, undefined, {}, 5_000)
          return status === 200 || undefined
        },
        patience,
      ),
    ),
  )
}
