import { useWords } from "../words/Language.js"

/** Today's moments by the clock, others with their day; the whole of it in the tooltip. `exact` adds the milliseconds. */
export const Moment = ({ at, exact = false }: { readonly at: string; readonly exact?: boolean }) => {
  const { locale } = useWords()
  const moment = new Date(at)
  const isToday = moment.toDateString() === new Date().toDateString()
  const day: Intl.DateTimeFormatOptions = isToday ? {} : { day: "numeric", month: "short" }
  const clock: Intl.DateTimeFormatOptions = {
    hour: "2-digit",
    minute: "2-digit",
    ...(isToday || exact ? { second: "2-digit" } : {}),
    ...(exact ? { fractionalSecondDigits: 3 } : {}),
  }
  return (
    <time dateTime={at} title={moment.toLocaleString(locale, { dateStyle: "long", timeStyle: "long" })}>
      {moment.toLocaleString(locale, { ...day, ...clock })}
    </time>
  )
}
