import { useEffect, useState } from "preact/hooks"
import type { Fault } from "../api/Fault.js"
import { listTransfers, type Transfer } from "../api/Services.js"
import { faultText } from "../words/FaultText.js"
import { useWords } from "../words/Language.js"
import { Moment } from "./Moment.js"
import { Money } from "./Money.js"

const pageSize = 10

/** What moved on the account, newest first; read when it is opened, and anew when the account has changed. */
export const Transfers = ({ userId, version }: { readonly userId: string; readonly version: number }) => {
  const words = useWords()
  const [open, setOpen] = useState(false)
  const [items, setItems] = useState<ReadonlyArray<Transfer>>([])
  const [next, setNext] = useState<string | null>(null)
  const [fault, setFault] = useState<Fault>()

  const load = async (before: ReadonlyArray<Transfer>, cursor: string | undefined, isCurrent = () => true) => {
    const { body, fault } = await listTransfers(userId, pageSize, cursor)
    if (!isCurrent()) return
    setFault(fault)
    if (body === undefined) return
    setItems([...before, ...body.items])
    setNext(body.next)
  }
  useEffect(() => {
    if (!open) return
    let current = true
    void load([], undefined, () => current)
    return () => {
      current = false
    }
  }, [open, userId, version])

  return (
    <details class="transfers" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{words.transfers}</summary>
      <ol>
        {items.map(({ id, kind, direction, amount, balanceAfter, at }) => (
          <li key={id} data-direction={direction}>
            <span class="transfer-kind">{words.transfer[kind]}</span>
            <span class="transfer-amount">
              {direction === "credit" ? "+" : "−"}
              <Money minor={amount} />
            </span>
            <Moment at={at} />
            <span class="transfer-after">
              {words.balanceAfter} <Money minor={balanceAfter} />
            </span>
          </li>
        ))}
      </ol>
      {fault === undefined ? null : <p role="alert">{faultText(fault, words)}</p>}
      {next === null ? null : (
        <button type="button" class="link" onClick={() => load(items, next)}>
          {words.showOlder}
        </button>
      )}
    </details>
  )
}
