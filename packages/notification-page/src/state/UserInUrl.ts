import { useEffect, useState } from "preact/hooks"

const parameter = "userId"

/** The user that a URL without one means. */
const defaultUser = "1"

/** Whether there can be such a user: 1 to 64 letters, digits, underscores or hyphens. */
export const isUserId = (text: string): boolean => /^[A-Za-z0-9_-]{1,64}$/.test(text)

const current = (): string => new URLSearchParams(location.search).get(parameter) ?? defaultUser

/** The user of the page's URL, and how to go to another one; Back leads to the one before. */
export const useUserInUrl = (): readonly [userId: string, open: (userId: string) => void] => {
  const [userId, setUserId] = useState(current)
  useEffect(() => {
    const follow = () => setUserId(current())
    addEventListener("popstate", follow)
    return () => removeEventListener("popstate", follow)
  }, [])
  const open = (next: string) => {
    if (next === userId) return
    const url = new URL(location.href)
    url.searchParams.set(parameter, next)
    history.pushState(null, "", url)
    setUserId(next)
  }
  return [userId, open]
}
