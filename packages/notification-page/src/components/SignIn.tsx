import { useRef, useState } from "preact/hooks"
import { keepToken, subjectOf, token } from "../api/Token.js"
import { useWords } from "../words/Language.js"

/** Asks for a token, where the services want to know who is calling. */
export const SignIn = ({ onToken }: { readonly onToken: (userId: string | undefined) => void }) => {
  const words = useWords()
  const input = useRef<HTMLTextAreaElement>(null)
  const [refused, setRefused] = useState(token() !== undefined)
  const submit = (event: Event) => {
    event.preventDefault()
    const text = (input.current?.value ?? "").trim().replace(/^bearer\s+/i, "")
    const subject = subjectOf(text)
    setRefused(subject === undefined)
    if (subject === undefined) return
    keepToken(text)
    onToken(subject)
  }
  return (
    <section class="card sign-in" aria-labelledby="sign-in">
      <h2 id="sign-in">{words.signIn}</h2>
      <p>{words.signInHint}</p>
      <form onSubmit={submit} noValidate>
        <label for="token">{words.token}</label>
        <textarea
          ref={input}
          id="token"
          rows={4}
          autocomplete="off"
          spellcheck={false}
          aria-invalid={refused}
          aria-describedby="token-note"
        />
        <p id="token-note" class="note" data-outcome={refused ? "failed" : undefined} role="status">
          {refused ? words.tokenRefused : ""}
        </p>
        <button type="submit" class="primary">
          {words.signInAction}
        </button>
      </form>
    </section>
  )
}
