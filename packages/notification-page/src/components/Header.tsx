import type { ConnectionState } from "@tandem/notification-client/NotificationClient"
import { useEffect, useRef, useState } from "preact/hooks"
import * as DesktopNotices from "../state/DesktopNotices.js"
import { isUserId } from "../state/UserInUrl.js"
import { useWords } from "../words/Language.js"
import type { Language } from "../words/Words.js"
import { Rings } from "./Rings.js"

/** Who is looked at, in which language, and whether the page is live. */
export const Header = (props: {
  readonly language: Language
  readonly onLanguage: (language: Language) => void
  readonly userId: string
  readonly onUser: (userId: string) => void
  /** Absent when there is nobody to listen for. */
  readonly connection: ConnectionState | undefined
}) => (
  <header class="header">
    <p class="brand">
      <Rings class="brand-rings" />
      Tandem
    </p>
    <UserSwitch userId={props.userId} onUser={props.onUser} />
    {props.connection === undefined ? null : <ConnectionPill connection={props.connection} />}
    <NoticeButton />
    <LanguageSwitch language={props.language} onLanguage={props.onLanguage} />
  </header>
)

const ConnectionPill = ({ connection }: { readonly connection: ConnectionState }) => {
  const words = useWords()
  return (
    <p class="connection" data-connection={connection}>
      {words.connection[connection]}
    </p>
  )
}

/** Asks whether the desktop may show what happens; gone once the user has decided. */
const NoticeButton = () => {
  const words = useWords()
  const [offered, offer] = useState(DesktopNotices.mayAsk)
  const click = async () => {
    await DesktopNotices.ask()
    offer(DesktopNotices.mayAsk())
  }
  return offered ? (
    <button
      type="button"
      class="notices"
      title={words.desktopNotices}
      aria-label={words.desktopNotices}
      onClick={click}
    >
      <svg viewBox="0 0 20 20" aria-hidden="true">
        <path d="M10 3a4.5 4.5 0 0 0-4.5 4.5c0 4-1.5 5-1.5 5h12s-1.5-1-1.5-5A4.5 4.5 0 0 0 10 3zM8.5 15.5a1.5 1.5 0 0 0 3 0" />
      </svg>
    </button>
  ) : null
}

const LanguageSwitch = ({
  language,
  onLanguage,
}: {
  readonly language: Language
  readonly onLanguage: (language: Language) => void
}) => {
  const words = useWords()
  const choice = (of: Language, label: string, name: string) => (
    <button
      type="button"
      lang={of}
      title={name}
      aria-label={name}
      aria-pressed={language === of}
      onClick={() => onLanguage(of)}
    >
      {label}
    </button>
  )
  return (
    <fieldset class="languages" aria-label={words.language}>
      {choice("ru", "RU", "RU, русский")}
      {choice("en", "EN", "EN, English")}
    </fieldset>
  )
}

const UserSwitch = ({ userId, onUser }: { readonly userId: string; readonly onUser: (userId: string) => void }) => {
  const words = useWords()
  const input = useRef<HTMLInputElement>(null)
  const [text, setText] = useState(userId)
  const [refused, setRefused] = useState(false)
  useEffect(() => {
    setText(userId)
    setRefused(false)
  }, [userId])
  const submit = (event: Event) => {
    event.preventDefault()
    const wanted = input.current?.value.trim() ?? ""
    setRefused(!isUserId(wanted))
    if (isUserId(wanted)) onUser(wanted)
  }
  return (
    <form class="user" onSubmit={submit} noValidate>
      <label for="user">{words.user}</label>
      <input
        ref={input}
        id="user"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        maxLength={64}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-invalid={refused}
        aria-describedby={refused ? "user-fault" : undefined}
      />
      <button type="submit" class="quiet" data-idle={text.trim() === userId}>
        {words.openUser}
      </button>
      {refused ? (
        <p id="user-fault" class="user-fault" role="alert">
          {words.userIsInvalid}
        </p>
      ) : null}
    </form>
  )
}
