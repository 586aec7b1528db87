import { createServer, IncomingMessage, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { Context, Data, Effect, Layer, type Scope } from "effect"
import { Access, type AccessOptions } from "./auth/Access.js"
import { maximumHeaderBytes } from "./Limits.js"
import * as Origins from "./Origins.js"
import { refuseUnparsed } from "./ParserFaults.js"
import { ServiceResponse } from "./ServiceResponse.js"

/** Where a service listens, whose pages may call it, and who is asked who he is. */
export interface NodeServerOptions extends Origins.OriginOptions, AccessOptions {
  /** 0 takes any free port. */
  readonly port: number
}

/** The address cannot be listened on. The message is a sentence for the terminal. */
export class CannotListen extends Data.TaggedError("CannotListen")<{
  readonly host: string
  readonly port: number
  readonly cause: unknown
}> {
  override get message(): string {
    const code =
      typeof this.cause === "object" && this.cause !== null && "code" in this.cause ? this.cause.code : undefined
    const where = `port ${this.port} of ${this.host}`
    if (code === "EADDRINUSE") return `Something else listens on ${where} already: stop it, or choose another PORT.`
    if (code === "EACCES") return `This user may not listen on ${where}: choose another PORT.`
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
      return `${this.host} is no address of this machine: choose another HOST.`
    return `The service cannot listen on ${where} (${String(code ?? this.cause)}).`
  }
}

/**
 * The service's `node:http` server, made but not listening until everything is built; for what needs more than requests, such as a
 * WebSocket server on its `upgrade` event. Such a listener asks {@link Origins.Origins} itself, and its path must be among the
 * `upgradePaths` of `HttpService.layer`.
 */
export class NodeServer extends Context.Tag("@tandem/service-kit/NodeServer")<
  NodeServer,
  {
    readonly server: Server<typeof IncomingMessage, typeof ServiceResponse>
    /**
     * Has this done when a shutdown begins, before anything is waited for: the place to end responses that would otherwise never end, such
     * as streams. For as long as the scope.
     */
    readonly beforeDrain: (farewell: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
    /** Listens for as long as the scope; its end stops accepting and waits up to 5 s for the requests under way. */
    readonly listen: Effect.Effect<AddressInfo, CannotListen, Scope.Scope>
  }
>() {
  /** A server with limits on everything that a client can make long, the origin gate for where it listens, and the gate for callers. */
  static readonly layer = (options: NodeServerOptions): Layer.Layer<NodeServer | Origins.Origins | Access> =>
    Layer.mergeAll(
      Layer.scoped(NodeServer, make(options)),
      Layer.succeed(Origins.Origins, Origins.make(options)),
      Access.layer(options),
    )
}

/** How long the requests under way may take once the server shuts down. */
const drainTime = "5 seconds"

const make = ({ host, port }: NodeServerOptions) =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(
      Effect.sync(() =>
        createServer({
          IncomingMessage,
          ServerResponse: ServiceResponse,
          // Node would answer a missing Host itself, and not with a problem.
          requireHostHeader: false,
          maxHeaderSize: maximumHeaderBytes,
          keepAliveTimeout: 5_000,
          headersTimeout: 10_000,
          // A body has 64 KiB at most, so that who needs longer is slow on purpose.
          requestTimeout: 20_000,
          connectionsCheckingInterval: 2_000,
        }),
      ),
      // The last to go: whoever had sockets of his own has closed them by now.
      (server) => Effect.sync(() => server.closeAllConnections()),
    )
    const underWay = new Set<ServiceResponse>()
    let whenDrained: (() => void) | undefined
    let closing = false

    server.prependListener("request", (_request, response) => {
      underWay.add(response)
      response.last = closing
      response.once("close", () => {
        underWay.delete(response)
        if (underWay.size === 0) whenDrained?.()
      })
    })
    server.on("clientError", refuseUnparsed)

    const farewells = new Set<Effect.Effect<void>>()
    const beforeDrain = (farewell: Effect.Effect<void>) =>
      Effect.acquireRelease(
        Effect.sync(() => farewells.add(farewell)),
        () => Effect.sync(() => farewells.delete(farewell)),
      ).pipe(Effect.asVoid)

    const stopAccepting = Effect.sync(() => {
      closing = true
      server.close()
    })

    const drain = Effect.async<void>((resume) => {
      for (const response of underWay) response.last = true
      if (underWay.size === 0) resume(Effect.void)
      else whenDrained = () => resume(Effect.void)
    }).pipe(
      Effect.timeoutOption(drainTime),
      Effect.tap((drained) =>
        drained._tag === "Some"
          ? Effect.void
          : Effect.logWarning(`${underWay.size} requests did not end within ${drainTime}`),
      ),
      // Otherwise the timeout could not end the wait: finalizers run uninterruptibly.
      Effect.interruptible,
    )

    const open = Effect.async<AddressInfo, CannotListen>((resume) => {
      const onError = (cause: unknown) => resume(Effect.fail(new CannotListen({ host, port, cause })))
      server.once("error", onError)
      server.listen({ host, port }, () => {
        server.off("error", onError)
        const address = server.address()
        resume(
          address === null || typeof address === "string"
            ? Effect.die(new Error("the server listens on no port"))
            : Effect.succeed(address),
        )
      })
    })

    const shutDown = Effect.zipRight(
      stopAccepting,
      Effect.suspend(() => Effect.all(farewells, { discard: true, concurrency: "unbounded" })),
    ).pipe(Effect.zipRight(drain))

    return { server, beforeDrain, listen: Effect.acquireRelease(open, () => shutDown) }
  })
