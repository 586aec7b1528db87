import { createHash } from "node:crypto"

/**
 * The policy for a documentation page: the scripts that stand in it and those of this service, and nothing of any other host.
 *
 * @param compiles what its scripts compile while they run, which a policy must allow by name
 */
export const pagePolicy = (html: string, compiles: "WebAssembly" | "JavaScript"): string => {
  const scripts = [...html.matchAll(/<script(?<attributes>[^>]*)>(?<text>[\s\S]*?)<\/script>/g)].flatMap(
    ({ groups }) => {
      const { attributes = "", text = "" } = groups ?? {}
      if (attributes.includes("application/json")) return []
      return /\bsrc=/.test(attributes) ? ["'self'"] : [`'sha256-${createHash("sha256").update(text).digest("base64")}'`]
    },
  )
  return [
    "default-src 'none'",
    `script-src ${[...new Set(scripts)].join(" ")} ${compiles === "WebAssembly" ? "'wasm-unsafe-eval'" : "'unsafe-eval'"}`,
    // The components set styles on elements while they run, which no hash can foresee.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ")
}
