import { useEffect, useState } from "preact/hooks"
import { kindOf, type Toast, toastTitles } from "../state/Toasts.js"
import { useWords } from "../words/Language.js"
import { Money } from "./Money.js"
import { StatusRings } from "./Rings.js"

/** How long a toast stays, in ms, unless somebody is at it. */
const lifetime = 7_000

/** The corner where toasts appear: a live region that is there before them, so that they are read out. */
export const Toasts = ({
  toasts,
  onDismiss,
}: {
  readonly toasts: ReadonlyArray<Toast>
  readonly onDismiss: (seq: number) => void
}) => {
  const words = useWords()
  return (
    <div class="toasts" role="status" aria-live="polite" aria-label={words.notifications}>
      {toasts.map((toast) => (
        <ToastCard key={toast.seq} toast={toast} onDismiss={() => onDismiss(toast.seq)} />
      ))}
    </div>
  )
}

const ToastCard = ({ toast, onDismiss }: { readonly toast: Toast; readonly onDismiss: () => void }) => {
  const words = useWords()
  const [held, setHeld] = useState(false)
  useEffect(() => {
    if (held) return
    const timer = setTimeout(onDismiss, lifetime)
    return () => clearTimeout(timer)
  }, [held])
  return (
    <article
      class="toast"
      data-status={toast.status}
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocusCapture={() => setHeld(true)}
      onBlurCapture={() => setHeld(false)}
    >
      <StatusRings status={toast.status} />
      <div>
        <ToastTitle toast={toast} />
        <p class="toast-detail">
          {words.orderFor("")}
          <Money minor={toast.amount} />
          {toast.reason === null ? null : `: ${words.reason[toast.reason]}`}
        </p>
      </div>
      <button type="button" class="dismiss" aria-label={words.dismiss} onClick={onDismiss}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M4 4l8 8m0-8l-8 8" />
        </svg>
      </button>
    </article>
  )
}

const ToastTitle = ({ toast }: { readonly toast: Toast }) => {
  const words = useWords()
  const kind = kindOf(toast)
  return kind === "FINISHED" || kind === "CANCELLED" ? (
    <p class="toast-title" lang="ru">
      {toastTitles[kind]}
    </p>
  ) : (
    <p class="toast-title">{words.toast[kind]}</p>
  )
}
