/** The largest amount of one order or top-up, in minor units; the services' own bound. */
export const maximumAmount = 1_000_000_000_000

/** Why a text is not an amount. */
export type AmountFault = "empty" | "malformed" | "too-precise" | "zero" | "too-large"

/** What was typed: an amount in minor units, or why it is none. */
export type ParsedAmount =
  | { readonly minor: number; readonly fault?: undefined }
  | { readonly minor?: undefined; readonly fault: AmountFault }

const groups = /^\d{1,3}(?:\s\d{3})+$/

/**
 * Reads an amount as people write it, `5`, `5,5`, `1 000.50 ₽`, into minor units; digit by digit, so nothing is ever rounded.
 * A single comma or point starts the fraction, of two digits at most: `1,000` is refused and not guessed at.
 */
export const parseAmount = (text: string): ParsedAmount => {
  const written = text.trim().replace(/^₽\s*|\s*₽$/g, "")
  if (written === "") return { fault: "empty" }
  const [whole = "", fraction = "", ...rest] = written.split(/[.,]/)
  const digits = groups.test(whole) ? whole.replace(/\s/g, "") : whole
  if (rest.length > 0 || !/^\d*$/.test(digits + fraction) || digits === "") return { fault: "malformed" }
  if (fraction.length > 2) return { fault: "too-precise" }
  const significant = (digits + fraction.padEnd(2, "0")).replace(/^0+/, "")
  if (significant === "") return { fault: "zero" }
  // Longer texts are not turned into numbers at all: every one of up to 13 digits is an exact integer.
  const limit = String(maximumAmount)
  if (significant.length > limit.length || Number(significant) > maximumAmount) return { fault: "too-large" }
  return { minor: Number(significant) }
}

/** Writes minor units as roubles with two decimals in the manner of the locale: 500 → `5,00 ₽`; exact up to 2^53−1. */
export const formatMoney = (minor: number, locale: string): string => {
  const units = BigInt(minor)
  const fraction = String(units % 100n).padStart(2, "0")
  return formatterFor(locale)
    .formatToParts(units / 100n)
    .map(({ type, value }) => (type === "fraction" ? fraction : value))
    .join("")
}

/** The same without a fraction of nothing: 1000 → `10 ₽`. */
export const formatBriefly = (minor: number, locale: string): string => {
  if (minor % 100 !== 0) return formatMoney(minor, locale)
  return formatterFor(locale)
    .formatToParts(BigInt(minor) / 100n)
    .map(({ type, value }) => (type === "fraction" || type === "decimal" ? "" : value))
    .join("")
}

/** Minor units as one would type them in the locale: 100050 → `1000,50`; what {@link parseAmount} reads. */
export const typedAmount = (minor: number, locale: string): string => {
  const separator = formatterFor(locale)
    .formatToParts(0)
    .find(({ type }) => type === "decimal")
  const digits = String(minor).padStart(3, "0")
  return `${digits.slice(0, -2)}${separator?.value ?? "."}${digits.slice(-2)}`
}

const formatters = new Map<string, Intl.NumberFormat>()

const formatterFor = (locale: string): Intl.NumberFormat => {
  const known = formatters.get(locale)
  if (known !== undefined) return known
  const made = new Intl.NumberFormat(locale, {
    style: "currency",
    currency: "RUB",
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: 2,
  })
  formatters.set(locale, made)
  return made
}
