import { make, networkOf } from "@tandem/service-kit/auth/RateLimiter"
import { FastCheck } from "effect"
import { describe, expect, it } from "vitest"

describe("the rate limiter", () => {
  it("lets through a second's worth at once, and in any time no more than that beside the rate", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.integer({ min: 1, max: 20 }),
        FastCheck.array(FastCheck.integer({ min: 0, max: 2_500 }), { minLength: 1, maxLength: 200 }),
        (perSecond, pauses) => {
          let at = 0
          const { take } = make(perSecond, () => at)
          const allowed: Array<number> = []
          for (const pause of pauses) {
            at += pause
            if (take("one").allowed) allowed.push(at)
          }
          expect(allowed[0]).toBe(pauses[0])
          for (const [index, from] of allowed.entries()) {
            for (const [offset, to] of allowed.slice(index).entries()) {
              expect(offset + 1).toBeLessThanOrEqual(perSecond + ((to - from) / 1_000) * perSecond + 1e-6)
            }
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  it("counts each by itself, and gives back what time has earned", () => {
    let at = 0
    const { take } = make(2, () => at)
    expect([take("a"), take("a"), take("a"), take("b")].map(({ allowed }) => allowed)).toEqual([
      true,
      true,
      false,
      true,
    ])
    at += 500
    expect([take("a"), take("a")].map(({ allowed }) => allowed)).toEqual([true, false])
  })

  it("takes nothing for a clock that is set back", () => {
    let at = 10_000
    const { take } = make(2, () => at)
    take("a")
    at = 0
    expect([take("a"), take("a")].map(({ allowed }) => allowed)).toEqual([true, false])
    at = 500
    expect(take("a").allowed).toBe(true)
  })

  it("forgets sooner where very many call, and so never holds more than 100,000", () => {
    const { take } = make(1, () => 0)
    expect([take("a"), take("a")].map(({ allowed }) => allowed)).toEqual([true, false])
    for (let index = 1; index < 50_000; index++) take(`b${index}`)
    expect(take("a").allowed).toBe(false)
    for (let index = 0; index < 100_000; index++) take(`c${index}`)
    expect(take("a").allowed).toBe(true)
  })

  it("takes an IPv6 network for one caller, and an IPv4 address for itself however it is written", () => {
    expect(networkOf("192.0.2.7")).toBe("192.0.2.7")
    expect(networkOf("::ffff:192.0.2.7")).toBe("192.0.2.7")
    expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2")
    expect(networkOf("2001:db8:1:2::9")).toBe("2001:db8:1:2")
    expect(networkOf("2001:db8::9")).toBe("2001:db8:0:0")
    expect(networkOf("::1")).toBe("0:0:0:0")
    expect(networkOf("fe80::1%eth0")).toBe("fe80:0:0:0")
  })
})
