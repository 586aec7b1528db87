import { connect } from "node:net"

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** How long an answer may take, in ms, on a busy machine. */
const deadline = 20_000

/** The first final answer in these bytes, undefined while it is incomplete. Chunked bodies are left as they are. */
const parse = (bytes: Buffer, ended: boolean): RawAnswer | undefined => {
  const head = bytes.indexOf("\r\n\r\n")
  if (head < 0) return undefined
  const [line = "", ...lines] = bytes.subarray(0, head).toString("latin1").split("\r\n")
  const status = Number(line.split(" ")[1])
  if (status < 200) return parse(bytes.subarray(head + 4), ended)
  const headers = Object.fromEntries(
    lines.map((header) => [header.slice(0, header.indexOf(":")).toLowerCase(), header.replace(/^[^:]*:\s*/, "")]),
  )
  const body = bytes.subarray(head + 4)
  const length = headers["content-length"]
  const complete = length === undefined ? ended || status === 204 || status === 304 : body.byteLength >= Number(length)
  return complete ? { status, headers, body: body.toString("utf8") } : undefined
}

/** Sends bytes as they are on a connection of its own, in these parts, and answers the first final answer to them. */
export const sendRaw = (url: string, ...parts: ReadonlyArray<string | Uint8Array>): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    let received = Buffer.alloc(0)
    const socket = connect(Number(port), hostname, () => {
      // `latin1` keeps what is no UTF-8 as it is.
      for (const part of parts) socket.write(typeof part === "string" ? Buffer.from(part, "latin1") : part)
    })
    const look = (ended: boolean) => {
      const answer = parse(received, ended)
      if (answer !== undefined) resolve(answer)
      else if (ended) reject(new Error(`no whole answer came: ${received.toString("latin1").slice(0, 200)}`))
      if (answer !== undefined || ended) socket.destroy()
    }
    socket.setTimeout(deadline, () => socket.destroy())
    socket.on("data", (bytes) => {
      received = Buffer.concat([received, bytes])
      look(false)
    })
    // A reset may follow an answer that is here already.
    socket.on("error", () => undefined)
    socket.on("close", () => look(true))
  })
