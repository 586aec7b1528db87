import type { Frame } from "@tandem/contracts/push/Frame"
import { Pool } from "undici"
import { WebSocket } from "ws"
import { openLoop } from "./openLoop.js"

/** Where orders are posted, and by whom. */
export interface PostToFrameOptions {
  /** The order side's address: `POST /orders`, and frames at `/ws`. */
  readonly orderUrl: string
  /** Who can pay; a socket each. */
  readonly users: ReadonlyArray<string>
  readonly perSecond: number
  readonly seconds: number
}

/** Accounts with enough money at a payment service, under names that nobody had before. */
export const openAccounts = async (paymentUrl: string, users: number): Promise<ReadonlyArray<string>> => {
  const run = Date.now().toString(36)
  const names = Array.from({ length: users }, (_, user) => `push-${run}-${user}`)
  const payments = new Pool(paymentUrl, { connections: 8, pipelining: 1 })
  try {
    await Promise.all(names.map((userId) => post(payments, `/accounts?userId=${userId}&amount=1000000`)))
  } finally {
    await payments.close()
  }
  return names
}

const post = async (pool: Pool, path: string) => {
  const response = await pool.request({ method: "POST", path })
  const body = await response.body.text()
  if (response.statusCode !== 201) throw new Error(`POST ${path} was answered with ${response.statusCode}: ${body}`)
  return JSON.parse(body) as { readonly id: string }
}

/**
 * Latencies in ms, sorted: from the moment at which an order is posted to the frame that says how it ended, at a fixed rate of orders that
 * come whether or not the last ones are through. Fails when a frame does not come.
 */
export const postToFrame = async (options: PostToFrameOptions): Promise<Float64Array> => {
  const { orderUrl, users, perSecond, seconds } = options
  const orders = new Pool(orderUrl, { connections: 16, pipelining: 1 })
  const told = new Map<string, number>()
  const sockets: Array<WebSocket> = []
  const listen = (userId: string) =>
    new Promise<void>((resolve, reject) => {
      const socket = new WebSocket(`${orderUrl.replace("http", "ws")}/ws?userId=${userId}`)
      sockets.push(socket)
      socket.on("error", reject)
      socket.on("message", (text) => {
        const frame = JSON.parse(String(text)) as Frame
        if (frame.type === "welcome") return resolve()
        told.set(frame.orderId, performance.now())
      })
    })
  try {
    await Promise.all(users.map(listen))
    const posted = new Map<string, number>()
    await openLoop(perSecond, seconds, async (sequence) => {
      const start = performance.now()
      const { id } = await post(orders, `/orders?userId=${users[sequence % users.length]}&amount=1`)
      posted.set(id, start)
    })
    const deadline = performance.now() + 30_000
    while (told.size < posted.size) {
      if (performance.now() > deadline) throw new Error(`${posted.size - told.size} orders were never told of`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return Float64Array.from(posted, ([id, start]) => (told.get(id) ?? Number.NaN) - start).sort()
  } finally {
    for (const socket of sockets) socket.terminate()
    await orders.close()
  }
}
