import { connect, type Socket } from "node:net"

/** Open WebSockets with next to no client, so that the two cores belong to the server. */
export interface RawSockets {
  /** Latencies of the frames since the last call, in ms. */
  readonly take: () => ReadonlyArray<number>
  /** Frames that were told, welcomes not counted. */
  readonly frames: () => number
  /** Sockets that ended without being asked to. */
  readonly ended: () => number
  readonly close: () => void
}

/** What is opened. */
export interface RawSocketsOptions {
  readonly port: number
  /** A socket each. */
  readonly users: number
  /** Every so manieth reads nothing after its welcome. */
  readonly slowEach: number
}

/** So many handshakes at once. */
const atOnce = 64

/** How long a socket may take from its handshake to its welcome, in ms. */
const patience = 30_000

/** Opens them all; done when each has its welcome. */
export const openSockets = async ({ port, users, slowEach }: RawSocketsOptions): Promise<RawSockets> => {
  const sockets: Array<Socket> = []
  let latencies: Array<number> = []
  let frames = 0
  let ended = 0
  let closing = false

  const onFrame = (text: string) => {
    frames++
    const made = Number(/"amount":(\d+)/.exec(text)?.[1])
    latencies.push((Number(process.hrtime.bigint() / 1_000n) - made) / 1_000)
  }

  const open = (user: number) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true })
      sockets.push(socket)
      let upgraded = false
      let held: Buffer = Buffer.alloc(0)
      const timer = setTimeout(() => reject(new Error(`user ${user} was not welcomed`)), patience)
      socket.on("connect", () =>
        socket.write(
          `GET /ws?userId=user-${user} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        ),
      )
      socket.on("data", (part) => {
        held = held.length === 0 ? part : Buffer.concat([held, part])
        if (!upgraded) {
          const head = held.indexOf("\r\n\r\n")
          if (head < 0) return
          if (!held.toString("latin1", 0, 12).endsWith("101"))
            return reject(new Error(held.toString("latin1", 0, head)))
          upgraded = true
          held = held.subarray(head + 4)
        }
        for (let message = messageIn(held); message !== undefined; message = messageIn(held)) {
          held = held.subarray(message.length)
          if (message.text.includes('"welcome"')) {
            clearTimeout(timer)
            if (user % slowEach === slowEach - 1) socket.pause()
            resolve()
          } else if (message.ping) socket.write(pong)
          else if (message.text !== "") onFrame(message.text)
        }
      })
      socket.on("error", reject)
      socket.on("close", () => {
        if (!closing) ended++
      })
    })

  let next = 0
  const opener = async () => {
    while (next < users) await open(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, opener))
  return {
    take: () => {
      const taken = latencies
      latencies = []
      return taken
    },
    frames: () => frames,
    ended: () => ended,
    close: () => {
      closing = true
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** An empty pong, masked as a client's frames are. */
const pong = Buffer.from([0x8a, 0x80, 0, 0, 0, 0])

interface Message {
  /** Empty when it is none of text. */
  readonly text: string
  readonly ping: boolean
  /** In bytes, with the header. */
  readonly length: number
}

/** The first whole message of a server. */
const messageIn = (bytes: Buffer): Message | undefined => {
  if (bytes.length < 2) return undefined
  const opcode = bytes.readUInt8(0) & 0x0f
  const short = bytes.readUInt8(1)
  const header = short === 126 ? 4 : 2
  if (bytes.length < header) return undefined
  const length = header + (short === 126 ? bytes.readUInt16BE(2) : short)
  if (bytes.length < length) return undefined
  return { text: opcode === 1 ? bytes.toString("latin1", header, length) : "", ping: opcode === 9, length }
}
