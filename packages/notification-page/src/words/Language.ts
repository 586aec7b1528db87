import { createContext } from "preact"
import { useContext } from "preact/hooks"
import { type Language, type Words, words } from "./Words.js"

/** The words of the language chosen. */
export const LanguageContext = createContext<Words>(words.ru)

/** The words to speak in. */
export const useWords = (): Words => useContext(LanguageContext)

const key = "tandem.language"

/** The one chosen earlier, else the browser's, else English. */
export const preferredLanguage = (): Language => {
  const chosen = read()
  if (chosen === "ru" || chosen === "en") return chosen
  return navigator.language.toLowerCase().startsWith("ru") ? "ru" : "en"
}

/** Keeps the choice for the next visit. */
export const rememberLanguage = (language: Language): void => {
  try {
    localStorage.setItem(key, language)
  } catch {
    // A browser that keeps nothing still speaks the language chosen until the page is left.
  }
}

const read = (): string | null => {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}
