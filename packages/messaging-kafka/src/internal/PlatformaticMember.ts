import { type CallbackWithPromise, Consumer, type GenericError, kPerformDeduplicated } from "@platformatic/kafka"
import type { KafkaBrokerOptions } from "../KafkaBrokerOptions.js"
import { assignmentProtocol, heartbeatInterval, rebalanceTimeout, sessionTimeout } from "./Group.js"

/** What a member asks of whoever works with it. */
export interface MemberEvents {
  /** The group is about to divide its partitions anew. True once nothing is in hand and all is stored; waits for that not too long. */
  readonly mayRejoin: () => Promise<boolean>
  /** The membership is over. */
  readonly lost: (cause: unknown) => void
}

/**
 * The client's consumer, used for its group membership only. It joins anew the moment a heartbeat tells of a rebalance, whatever
 * is being worked on; here the answer to that heartbeat is held back while something is, and the beating goes on.
 */
export class PlatformaticMember extends Consumer<Buffer, Buffer, Buffer, Buffer> {
  private readonly events: MemberEvents

  constructor({ brokers, clientId }: KafkaBrokerOptions, group: string, events: MemberEvents) {
    super({
      clientId,
      bootstrapBrokers: [...brokers],
      groupId: group,
      connectTimeout: 3_000,
      // A broker answers a join when all members have joined.
      requestTimeout: rebalanceTimeout + 5_000,
      // With any retries a commit of a member that was expelled would join again by itself. Whoever runs the stream tries again.
      retries: 0,
      autocommit: false,
      sessionTimeout,
      rebalanceTimeout,
      heartbeatInterval,
      protocols: [{ name: assignmentProtocol, version: 0, metadata: Buffer.alloc(0) }],
    })
    this.events = events
    this.on("error", (error: unknown) => events.lost(error))
  }

  override [kPerformDeduplicated]<A>(
    operation: string,
    run: (callback: CallbackWithPromise<A>) => void,
    callback: CallbackWithPromise<A>,
    // biome-ignore lint/suspicious/noConfusingVoidType: the client's own signature
  ): void | Promise<A> {
    if (operation !== "heartbeat") return super[kPerformDeduplicated](operation, run, callback)
    const silence = setTimeout(() => {
      this.events.lost(new Error(`no answer to a heartbeat within ${sessionTimeout} ms`))
    }, sessionTimeout).unref()
    return super[kPerformDeduplicated](operation, run, (error, result) => {
      clearTimeout(silence)
      const is = (id: string, value: unknown) =>
        error !== null && error !== undefined && (error as GenericError).findBy?.(id, value) != null
      if (is("rebalanceInProgress", true)) {
        void this.events.mayRejoin().then((may) => callback(may ? error : null, result as A))
        return
      }
      // Expelled: others have had our partitions.
      if (is("needsRejoin", true)) {
        this.events.lost(error)
        return
      }
      callback(error, result as A)
    })
  }
}
