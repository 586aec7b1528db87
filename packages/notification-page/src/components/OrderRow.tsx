import type { Order } from "../state/Orders.js"
import { useWords } from "../words/Language.js"
import { Money } from "./Money.js"
import { StatusRings } from "./Rings.js"

/** One order; a change that came while the page was open is marked by a flash. */
export const OrderRow = ({ order }: { readonly order: Order }) => {
  const words = useWords()
  return (
    <li class="order" data-order={order.id} data-status={order.status}>
      {order.live === true ? <i key={order.status} class="flash" /> : null}
      <StatusRings status={order.status} />
      <div class="order-what">
        <Money minor={order.amount} />
        <p class="order-status">
          <strong title={order.status}>{words.status[order.status]}</strong>
          {order.reason === null ? null : <span title={order.reason}>: {words.reason[order.reason]}</span>}
        </p>
      </div>
      <div class="order-which">
        <Moment at={order.createdAt} />
        <span title={order.id}>#{order.id.slice(-6)}</span>
      </div>
    </li>
  )
}

/** Today's moments by the clock, others with their day; the whole of it in the tooltip. */
const Moment = ({ at }: { readonly at: string }) => {
  const { locale } = useWords()
  const moment = new Date(at)
  const isToday = moment.toDateString() === new Date().toDateString()
  const day: Intl.DateTimeFormatOptions = isToday ? {} : { day: "numeric", month: "short" }
  const clock: Intl.DateTimeFormatOptions = {
    hour: "2-digit",
    minute: "2-digit",
    ...(isToday ? { second: "2-digit" } : {}),
  }
  return (
    <time dateTime={at} title={moment.toLocaleString(locale, { dateStyle: "long", timeStyle: "long" })}>
      {moment.toLocaleString(locale, { ...day, ...clock })}
    </time>
  )
}
