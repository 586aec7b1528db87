/** Numbers in [0, 1) that a seed decides (mulberry32). */
export type Draw = () => number

/** The same seed gives the same numbers. */
export const seeded = (seed: number): Draw => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A whole number from `least` to `most`, both included. */
export const whole = (draw: Draw, least: number, most: number): number =>
  least + Math.floor(draw() * (most - least + 1))

/** One of at least one. */
export const oneOf = <A>(draw: Draw, from: readonly [A, ...ReadonlyArray<A>]): A =>
  from[Math.floor(draw() * from.length)] ?? from[0]
