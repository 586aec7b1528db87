import type { Frame } from "@tandem/contracts/push/Frame"
import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { type ConnectionState, connect } from "@tandem/notification-client/NotificationClient"
import { type Answer, type Fault, isUnauthorized } from "../api/Fault.js"
import {
  type Account,
  askFor,
  getTicket,
  listOrders,
  orderServiceUrl,
  placeOrder,
  readAccount,
  topUp,
} from "../api/Services.js"
import { token } from "../api/Token.js"
import { fromFrame, merge, noOrders, type Order, type Orders, restart } from "./Orders.js"
import { makeStore, type Store } from "./Store.js"

/** What the page knows of a user. */
export interface SessionState {
  readonly connection: ConnectionState
  readonly orders: Orders
  /** The first page of orders has arrived. */
  readonly ordersKnown: boolean
  readonly ordersFault: Fault | undefined
  /** Where older orders go on; null when there are none. */
  readonly next: string | null
  /** null: the user has no account yet; undefined: nothing was heard yet. */
  readonly account: Account | null | undefined
  readonly accountFault: Fault | undefined
  /** What was asked of which order, and is not answered yet. */
  readonly asked: ReadonlyMap<string, Asking>
  /** The services ask who is calling, and nobody has said it, or not well. */
  readonly signInNeeded: boolean
}

/** What can be asked of an order. */
export type Asking = "cancel" | "refund"

/** A user whose orders and account are watched. */
export interface Session {
  readonly state: Store<SessionState>
  readonly reloadOrders: () => Promise<void>
  readonly loadOlder: () => Promise<void>
  readonly refreshAccount: () => void
  /** Both resolve with the fault, undefined when it is done. `amount` in minor units. */
  readonly placeOrder: (amount: number) => Promise<Fault | undefined>
  readonly topUp: (amount: number) => Promise<Fault | undefined>
  /** Resolves with the fault, undefined when it is asked; the answer comes as a change of the order. */
  readonly ask: (what: Asking, orderId: string) => Promise<Fault | undefined>
  readonly close: () => void
}

/** What is known before anything is. */
export const unknown: SessionState = {
  connection: "connecting",
  orders: noOrders,
  ordersKnown: false,
  ordersFault: undefined,
  next: null,
  account: undefined,
  accountFault: undefined,
  asked: new Map(),
  signInNeeded: false,
}

const pageSize = 50

/** Frames come in bursts: one look at the balance serves all that arrive within so many ms. */
const refreshDelay = 100

/** While the balance cannot be read it is tried again after so many ms. */
const retryDelay = 3_000

/** Watches a user until it is closed; `onChange` gets every change of an order that happens meanwhile, once. */
export const openSession = (userId: string, onChange: (frame: OrderStatusChanged) => void): Session => {
  const state = makeStore<SessionState>(unknown)
  let closed = false
  let refresh: ReturnType<typeof setTimeout> | undefined
  let listed = false

  const set = (change: Partial<SessionState>) => {
    if (!closed) state.update((current) => ({ ...current, ...change }))
  }
  const takeIn = (order: Order) => set({ orders: merge(state.get().orders, [order]) })

  const loadPage = async (cursor?: string) => {
    const { body, fault } = await listOrders(userId, pageSize, cursor)
    if (closed) return
    if (body === undefined) return set({ ordersFault: fault, signInNeeded: isUnauthorized(fault) })
    const { orders } = state.get()
    set({
      orders: cursor === undefined ? restart(orders, body.items, body.next !== null) : merge(orders, body.items),
      ordersKnown: true,
      ordersFault: undefined,
      next: body.next,
    })
  }

  const takeAccount = ({ body, fault }: Answer<Account>) => {
    if (body !== undefined) {
      const known = state.get().account
      // Answers may overtake each other; the version tells which one is newer.
      if (known && known.version > body.version) return set({ accountFault: undefined })
      return set({ account: body, accountFault: undefined })
    }
    if (fault.kind === "problem" && fault.problem === "account-not-found") {
      return set({ account: state.get().account ?? null, accountFault: undefined })
    }
    set({ accountFault: fault, signInNeeded: state.get().signInNeeded || isUnauthorized(fault) })
    if (!isUnauthorized(fault)) scheduleRefresh(retryDelay)
  }
  const scheduleRefresh = (delay: number) => {
    clearTimeout(refresh)
    refresh = setTimeout(async () => {
      refresh = undefined
      takeAccount(await readAccount(userId))
    }, delay)
  }
  const refreshAccount = () => scheduleRefresh(0)

  const onFrame = (frame: Frame) => {
    if (closed) return
    if (frame.type === "welcome") {
      // A stream that goes on where it ended leaves nothing to read again.
      if (listed && frame.recovered && state.get().ordersFault === undefined) return
      listed = true
      void loadPage()
      return
    }
    takeIn(fromFrame(frame))
    answered(frame.orderId)
    onChange(frame)
    if (refresh === undefined) scheduleRefresh(refreshDelay)
  }

  const answered = (orderId: string) => {
    const { asked } = state.get()
    if (asked.has(orderId)) set({ asked: new Map([...asked].filter(([id]) => id !== orderId)) })
  }

  const onState = (connection: ConnectionState) => {
    set({ connection })
    // Without a connection the list is better read once than not at all; the welcome reads it again.
    if (connection === "waiting" && !state.get().ordersKnown) void loadPage()
    if (connection === "open" && state.get().accountFault !== undefined) refreshAccount()
  }
  // Connected first and read second: what changes in between comes as a frame, so nothing falls between the two.
  const push = connect({
    url: orderServiceUrl.href,
    userId,
    onFrame,
    onState,
    onRefused: ({ status }) => {
      if (status === 401) set({ signInNeeded: true })
      // What can be read without a stream is read once; what is wrong with it is told there.
      if (!state.get().ordersKnown) void loadPage()
    },
    ...(token() === undefined ? {} : { ticket: getTicket }),
  })
  refreshAccount()

  return {
    state,
    reloadOrders: () => loadPage(),
    loadOlder: () => loadPage(state.get().next ?? undefined),
    refreshAccount,
    placeOrder: async (amount) => {
      const { body, fault } = await placeOrder(userId, amount)
      if (body !== undefined) takeIn({ ...body, live: true })
      return fault
    },
    topUp: async (amount) => {
      const answer = await topUp(userId, amount)
      if (answer.body !== undefined) takeAccount(answer)
      return answer.fault
    },
    ask: async (what, orderId) => {
      const { body, fault } = await askFor(what, orderId)
      if (body === undefined) return fault
      const known = state.get().orders.items.find(({ id }) => id === orderId)
      // Its answer may have been quicker than the answer to the question.
      if (known?.status === body.status) set({ asked: new Map([...state.get().asked, [orderId, what]]) })
      takeIn(body)
      return undefined
    },
    close: () => {
      closed = true
      clearTimeout(refresh)
      push.close()
    },
  }
}
