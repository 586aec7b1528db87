import { maximumAmount as contractMaximum } from "@tandem/contracts/Amount"
import * as FastCheck from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import { formatBriefly, formatMoney, maximumAmount, parseAmount, typedAmount } from "../src/money/Money.js"

const plainSpaces = (text: string) => text.replace(/\s/g, " ")

const accepted: ReadonlyArray<readonly [string, number]> = [
  ["5", 500],
  ["5,", 500],
  ["5,5", 550],
  ["5.05", 505],
  [" 10,00 ", 1000],
  ["0,01", 1],
  ["007", 700],
  ["1 000,50", 100050],
  ["1\u00a0000\u00a0000", 100_000_000],
  ["5,00 ₽", 500],
  ["₽5.00", 500],
  ["10000000000", maximumAmount],
  ["10000000000,00", maximumAmount],
]

const refused: ReadonlyArray<readonly [string, string]> = [
  ["", "empty"],
  ["  ", "empty"],
  ["₽", "empty"],
  ["abc", "malformed"],
  ["-5", "malformed"],
  ["+5", "malformed"],
  ["1e2", "malformed"],
  ["5,0,0", "malformed"],
  ["1,000.50", "malformed"],
  [",5", "malformed"],
  ["1 00", "malformed"],
  ["٣", "malformed"],
  ["1,005", "too-precise"],
  ["1,000", "too-precise"],
  ["0", "zero"],
  ["0,00", "zero"],
  ["10000000000,01", "too-large"],
  ["9".repeat(400), "too-large"],
]

describe("amounts", () => {
  it.each(accepted)("reads %j as %i minor units", (text, minor) => {
    expect(parseAmount(text)).toEqual({ minor })
  })

  it.each(refused)("refuses %j as %s", (text, fault) => {
    expect(parseAmount(text)).toEqual({ fault })
  })

  it("reads back every amount that it writes, in both languages", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.integer({ min: 1, max: maximumAmount }),
        FastCheck.constantFrom("ru-RU", "en-GB"),
        (minor, locale) => {
          expect(parseAmount(typedAmount(minor, locale))).toEqual({ minor })
        },
      ),
    )
  })

  it("reads the Russian form of money that the page itself shows", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.integer({ min: 1, max: maximumAmount }), (minor) => {
        expect(parseAmount(formatMoney(minor, "ru-RU"))).toEqual({ minor })
      }),
    )
  })

  it("has the services' bound", () => {
    expect(maximumAmount).toBe(contractMaximum)
  })
})

describe("money", () => {
  it.each([
    [0, "0,00 ₽", "₽0.00"],
    [1, "0,01 ₽", "₽0.01"],
    [500, "5,00 ₽", "₽5.00"],
    [9999, "99,99 ₽", "₽99.99"],
    [100_050, "1 000,50 ₽", "₽1,000.50"],
    [Number.MAX_SAFE_INTEGER, "90 071 992 547 409,91 ₽", "₽90,071,992,547,409.91"],
  ])("writes %i exactly", (minor, russian, english) => {
    expect(plainSpaces(formatMoney(minor, "ru-RU"))).toBe(russian)
    expect(plainSpaces(formatMoney(minor, "en-GB"))).toBe(english)
  })

  it("leaves out a fraction of nothing, and nothing else, when it is brief", () => {
    expect(plainSpaces(formatBriefly(100_000, "ru-RU"))).toBe("1 000 ₽")
    expect(plainSpaces(formatBriefly(1_000, "en-GB"))).toBe("₽10")
    expect(plainSpaces(formatBriefly(1_050, "ru-RU"))).toBe("10,50 ₽")
  })
})
