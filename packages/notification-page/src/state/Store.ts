/** A value that tells its listeners when it changes. */
export interface Store<A> {
  readonly get: () => A
  readonly update: (change: (current: A) => A) => void
  /** Returns what ends the subscription. */
  readonly subscribe: (listener: () => void) => () => void
}

/** A store that holds `initial`. */
export const makeStore = <A>(initial: A): Store<A> => {
  let value = initial
  const listeners = new Set<() => void>()
  return {
    get: () => value,
    update: (change) => {
      const next = change(value)
      if (next === value) return
      value = next
      for (const listener of listeners) listener()
    },
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
