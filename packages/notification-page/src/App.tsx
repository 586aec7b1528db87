import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"
import { AccountCard } from "./components/AccountCard.js"
import { Footer } from "./components/Footer.js"
import { Header } from "./components/Header.js"
import { OrderCard } from "./components/OrderCard.js"
import { OrderList } from "./components/OrderList.js"
import { SignIn } from "./components/SignIn.js"
import { Toasts } from "./components/Toasts.js"
import * as DesktopNotices from "./state/DesktopNotices.js"
import { type Toast, withToast } from "./state/Toasts.js"
import { isUserId, useUserInUrl } from "./state/UserInUrl.js"
import { useSession } from "./state/useSession.js"
import { LanguageContext, preferredLanguage, rememberLanguage } from "./words/Language.js"
import { words } from "./words/Words.js"

/** The page. */
export const App = () => {
  const [language, setLanguage] = useState(preferredLanguage)
  const [userId, openUser] = useUserInUrl()
  const [toasts, setToasts] = useState<ReadonlyArray<Toast>>([])
  const valid = isUserId(userId)
  const spoken = words[language]
  // The session outlives a change of the language.
  const speaking = useRef(spoken)
  speaking.current = spoken
  const notify = (frame: OrderStatusChanged) => {
    setToasts((shown) => withToast(shown, frame))
    DesktopNotices.show(frame, speaking.current)
  }
  const [signIns, setSignIns] = useState(0)
  const [state, session] = useSession(valid ? userId : undefined, notify, signIns)
  const signedIn = (subject: string | undefined) => {
    if (isUserId(subject ?? "")) openUser(subject ?? "")
    setSignIns((count) => count + 1)
  }

  useLayoutEffect(() => {
    document.documentElement.lang = language
    document.title = spoken.title
    rememberLanguage(language)
  }, [language])
  useEffect(() => setToasts([]), [userId])

  return (
    <LanguageContext.Provider value={spoken}>
      <Header
        language={language}
        onLanguage={setLanguage}
        userId={userId}
        onUser={openUser}
        connection={valid ? state.connection : undefined}
      />
      {valid ? (
        <main class="page">
          <div class="side" key={userId}>
            {state.signInNeeded ? <SignIn key={signIns} onToken={signedIn} /> : null}
            <AccountCard state={state} session={session} />
            <OrderCard session={session} />
          </div>
          <OrderList userId={userId} state={state} session={session} />
        </main>
      ) : (
        <main class="page">
          <section class="card refusal" role="alert">
            <h1>{spoken.noSuchUser}</h1>
            <p>{spoken.userIsInvalid}</p>
          </section>
        </main>
      )}
      <Footer />
      <Toasts toasts={toasts} onDismiss={(seq) => setToasts((shown) => shown.filter((toast) => toast.seq !== seq))} />
    </LanguageContext.Provider>
  )
}
