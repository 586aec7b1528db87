import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { useEffect, useState } from "preact/hooks"
import { openSession, type Session, type SessionState, unknown } from "./Session.js"

/** Watches the user, anew with each sign-in, for as long as the component is there; no session before the first effect, nor without a user. */
export const useSession = (
  userId: string | undefined,
  onChange: (frame: OrderStatusChanged) => void,
  signIns: number,
): readonly [SessionState, Session | undefined] => {
  const [shown, show] = useState<{ readonly session?: Session; readonly state: SessionState }>({ state: unknown })
  useEffect(() => {
    if (userId === undefined) return
    const session = openSession(userId, onChange)
    const follow = () => show({ session, state: session.state.get() })
    follow()
    const unsubscribe = session.state.subscribe(follow)
    return () => {
      unsubscribe()
      session.close()
      show({ state: unknown })
    }
  }, [userId, signIns])
  return [shown.state, shown.session]
}
