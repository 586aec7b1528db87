import { useState } from "preact/hooks"
import { orderServiceUrl } from "../api/Services.js"
import { maximumOrders } from "../state/Orders.js"
import type { Session, SessionState } from "../state/Session.js"
import { faultText } from "../words/FaultText.js"
import { useWords } from "../words/Language.js"
import { OrderRow } from "./OrderRow.js"
import { Rings } from "./Rings.js"

/** The user's orders, newest first, changing as they are settled. */
export const OrderList = ({
  userId,
  state: { orders, ordersKnown, ordersFault, next, asked },
  session,
}: {
  readonly userId: string
  readonly state: SessionState
  readonly session: Session | undefined
}) => {
  const words = useWords()
  const empty = orders.items.length === 0
  return (
    <section class="card orders" aria-labelledby="orders" aria-busy={!ordersKnown && ordersFault === undefined}>
      <h1 id="orders">{words.orders}</h1>
      {ordersFault === undefined ? null : (
        <p class="fault" role="alert">
          {faultText(ordersFault, words)}{" "}
          <button type="button" class="link" onClick={() => session?.reloadOrders()}>
            {words.tryAgain}
          </button>
        </p>
      )}
      {empty && !ordersKnown && ordersFault === undefined ? <Loading /> : null}
      {empty && ordersKnown ? <Empty userId={userId} /> : null}
      {empty ? null : (
        <ol class="order-list">
          {orders.items.map((order) => (
            <OrderRow key={order.id} order={order} asked={asked.get(order.id)} session={session} />
          ))}
        </ol>
      )}
      {orders.trimmed ? (
        <p class="trimmed">{words.trimmed(maximumOrders)}</p>
      ) : next === null || session === undefined ? null : (
        <ShowOlder load={session.loadOlder} />
      )}
    </section>
  )
}

const ShowOlder = ({ load }: { readonly load: () => Promise<void> }) => {
  const words = useWords()
  const [busy, setBusy] = useState(false)
  const click = async () => {
    if (busy) return
    setBusy(true)
    await load()
    setBusy(false)
  }
  return (
    <button type="button" class="older" aria-disabled={busy} onClick={click}>
      {words.showOlder}
    </button>
  )
}

const Loading = () => {
  const words = useWords()
  return (
    <div class="loading">
      <p class="unseen">{words.ordersLoading}</p>
      <i />
      <i />
      <i />
    </div>
  )
}

const Empty = ({ userId }: { readonly userId: string }) => {
  const words = useWords()
  const url = new URL(`orders?userId=${userId}&amount=500`, orderServiceUrl)
  return (
    <div class="empty">
      <Rings class="empty-rings" />
      <p class="empty-title">{words.noOrders}</p>
      <p>{words.noOrdersHint}</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling box must be reachable to be scrolled by keyboard */}
      <pre tabIndex={0}>
        <code>curl -X POST "{url.href}"</code>
      </pre>
    </div>
  )
}
