const key = "tandem.token"

/** The token that requests carry where the services ask who is calling; kept until the tab is closed. */
export const token = (): string | undefined => {
  try {
    return sessionStorage.getItem(key) ?? undefined
  } catch {
    return undefined
  }
}

/** Keeps a token for this tab, or forgets it. */
export const keepToken = (text: string | undefined): void => {
  try {
    if (text === undefined) sessionStorage.removeItem(key)
    else sessionStorage.setItem(key, text)
  } catch {
    // A browser that keeps nothing asks again after the next visit.
  }
}

/** Whose a token says that it is; the services verify it, the page only wants to know whom to show. */
export const subjectOf = (text: string): string | undefined => {
  try {
    const payload = (text.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")
    const { sub } = JSON.parse(atob(payload)) as { readonly sub?: unknown }
    return typeof sub === "string" ? sub : undefined
  } catch {
    return undefined
  }
}
