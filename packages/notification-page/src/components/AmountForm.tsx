import { useRef, useState } from "preact/hooks"
import type { Fault } from "../api/Fault.js"
import { formatBriefly, formatMoney, parseAmount, typedAmount } from "../money/Money.js"
import { commandFaultText } from "../words/FaultText.js"
import { useWords } from "../words/Language.js"

type Outcome =
  | { readonly kind: "done"; readonly minor: number }
  | { readonly kind: "mistyped"; readonly fault: NonNullable<ReturnType<typeof parseAmount>["fault"]> }
  | { readonly kind: "failed"; readonly fault: Fault }

/** A form for one amount: reads it, sends it once at a time, and tells what became of it. */
export const AmountForm = (props: {
  readonly id: string
  readonly label: string
  /** In minor units. */
  readonly example: number
  readonly action: string
  readonly done: (money: string) => string
  /** Amounts to choose instead of typing, in minor units. */
  readonly choices?: ReadonlyArray<number>
  /** Resolves with the fault, undefined when it is done; absent while nothing can be sent. */
  readonly send: ((minor: number) => Promise<Fault | undefined>) | undefined
}) => {
  const words = useWords()
  const input = useRef<HTMLInputElement>(null)
  const sending = useRef(false)
  const [text, setText] = useState("")
  const [busy, setBusy] = useState(false)
  const [outcome, setOutcome] = useState<Outcome>()

  const type = (typed: string) => {
    setText(typed)
    setOutcome(undefined)
  }
  const submit = async (event: Event) => {
    event.preventDefault()
    if (sending.current || props.send === undefined) return
    // What stands in the field, for what was typed a moment ago may not have been drawn yet.
    const typed = input.current?.value ?? ""
    const { minor, fault: mistake } = parseAmount(typed)
    if (mistake !== undefined) {
      setOutcome({ kind: "mistyped", fault: mistake })
      input.current?.focus()
      return
    }
    sending.current = true
    setBusy(true)
    const fault = await props.send(minor)
    sending.current = false
    setBusy(false)
    setOutcome(fault === undefined ? { kind: "done", minor } : { kind: "failed", fault })
    // The next amount may be there already.
    if (fault === undefined && input.current?.value === typed) setText("")
  }

  const parsed = parseAmount(text)
  const note = `${props.id}-note`
  const failed = outcome !== undefined && outcome.kind !== "done"
  return (
    <form class="amount-form" id={props.id} onSubmit={submit} noValidate>
      <label for={`${props.id}-amount`}>{props.label}</label>
      <div class="amount-row">
        <div class="amount-field">
          <input
            ref={input}
            id={`${props.id}-amount`}
            name="amount"
            inputMode="decimal"
            autocomplete="off"
            placeholder={typedAmount(props.example, words.locale)}
            value={text}
            onInput={(event) => type(event.currentTarget.value)}
            aria-invalid={failed}
            aria-describedby={note}
          />
          <span aria-hidden="true">₽</span>
        </div>
        <button type="submit" class="primary" aria-disabled={busy}>
          {busy ? words.sending : props.action}
        </button>
      </div>
      {props.choices === undefined ? null : (
        <fieldset class="choices" aria-label={words.quickAmounts}>
          {props.choices.map((minor) => (
            <button key={minor} type="button" onClick={() => type(typedAmount(minor, words.locale))}>
              {formatBriefly(minor, words.locale)}
            </button>
          ))}
        </fieldset>
      )}
      <p class="note" id={note} aria-live="polite" data-outcome={outcome?.kind}>
        {outcome === undefined ? (
          parsed.minor === undefined ? (
            words.amountHint
          ) : (
            <>
              {formatMoney(parsed.minor, words.locale)} <code>amount={parsed.minor}</code>
            </>
          )
        ) : outcome.kind === "done" ? (
          props.done(formatMoney(outcome.minor, words.locale))
        ) : outcome.kind === "mistyped" ? (
          words.amountFault[outcome.fault]
        ) : (
          commandFaultText(outcome.fault, words)
        )}
      </p>
    </form>
  )
}
