import { useEffect, useRef, useState } from "preact/hooks"
import type { Fault } from "../api/Fault.js"
import { type OrderHistory, readHistory } from "../api/Services.js"
import type { Order } from "../state/Orders.js"
import type { Asking, Session } from "../state/Session.js"
import { faultText } from "../words/FaultText.js"
import { useWords } from "../words/Language.js"
import { Moment } from "./Moment.js"
import { Money } from "./Money.js"
import { StatusRings } from "./Rings.js"

/** One order, which opens to its history; a change that came while the page was open is marked by a flash. */
export const OrderRow = ({
  order,
  asked,
  session,
}: {
  readonly order: Order
  readonly asked: Asking | undefined
  readonly session: Session | undefined
}) => {
  const words = useWords()
  const [open, setOpen] = useState(false)
  const details = `order-${order.id}`
  return (
    <li class="order" data-order={order.id} data-status={order.status} data-open={open}>
      {order.live === true ? <i key={order.status} class="flash" /> : null}
      <button
        type="button"
        class="order-summary"
        aria-expanded={open}
        aria-controls={details}
        onClick={() => setOpen(!open)}
      >
        <StatusRings status={order.status} />
        <span class="order-what">
          <Money minor={order.amount} />
          <span class="order-status">
            <strong title={order.status}>{words.status[order.status]}</strong>
            {order.reason === null ? null : <span title={order.reason}>: {words.reason[order.reason]}</span>}
            {asked === undefined ? null : <em>{words.asked[asked]}</em>}
          </span>
        </span>
        <span class="order-which">
          <Moment at={order.createdAt} />
          <span title={order.id}>#{order.id.slice(-6)}</span>
        </span>
        <svg class="chevron" viewBox="0 0 16 16" aria-hidden="true">
          <path d="M4 6l4 4 4-4" />
        </svg>
      </button>
      <div class="order-details" id={details} hidden={!open}>
        {open ? <OrderDetails order={order} asked={asked} session={session} /> : null}
      </div>
    </li>
  )
}

const OrderDetails = ({
  order,
  asked,
  session,
}: {
  readonly order: Order
  readonly asked: Asking | undefined
  readonly session: Session | undefined
}) => {
  const words = useWords()
  const [history, setHistory] = useState<OrderHistory["items"]>()
  const [fault, setFault] = useState<Fault>()
  const sending = useRef(false)
  useEffect(() => {
    let current = true
    void readHistory(order.id).then(({ body, fault }) => {
      if (!current) return
      setFault(fault)
      if (body !== undefined) setHistory(body.items)
    })
    return () => {
      current = false
    }
  }, [order.id, order.status])

  const possible: Asking | undefined =
    order.status === "NEW" ? "cancel" : order.status === "FINISHED" ? "refund" : undefined
  const ask = async (what: Asking) => {
    if (sending.current || asked !== undefined || session === undefined) return
    sending.current = true
    setFault(await session.ask(what, order.id))
    sending.current = false
  }
  return (
    <>
      <ol class="history" aria-label={words.history}>
        {(history ?? []).map(({ status, reason, at }) => (
          <li key={status} data-status={status}>
            <span>
              {words.status[status]}
              {reason === null ? null : `: ${words.reason[reason]}`}
            </span>
            <Moment at={at} exact />
          </li>
        ))}
      </ol>
      <p class="order-id">
        <span>{words.orderNumber}</span> <code>{order.id}</code>
      </p>
      {possible === undefined ? null : (
        <button
          type="button"
          class="ask"
          data-ask={possible}
          aria-disabled={asked !== undefined}
          onClick={() => ask(possible)}
        >
          {asked === undefined ? words.ask[possible] : words.asked[asked]}
        </button>
      )}
      <p class="ask-fault" role="status">
        {fault === undefined ? "" : faultText(fault, words)}
      </p>
    </>
  )
}
