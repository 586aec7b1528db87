import { createServer } from "node:http"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { freePort } from "./Processes.js"

/** What a token says. */
export interface TokenClaims {
  /** The user. */
  readonly sub: string
  /** Such as `accounts:fund operator`; none when absent. */
  readonly scope?: string
  /** Seconds; 12 hours when absent. */
  readonly expiresIn?: number
}

/** An issuer of tokens for trying things out: whoever has it is whoever he wants to be. */
export interface LocalIssuer {
  readonly token: (claims: TokenClaims) => Promise<string>
  /** What makes a service believe its tokens, and no others. */
  readonly env: {
    readonly AUTH: ""
    readonly AUTH_JWKS_URL: string
    readonly AUTH_ISSUER: string
    readonly AUTH_AUDIENCE: string
  }
  readonly stop: () => void
}

const audience = "tandem"

/** Publishes a key that is made now and goes with the process, on loopback. */
export const startIssuer = async (): Promise<LocalIssuer> => {
  const { publicKey, privateKey } = await generateKeyPair("ES256")
  const kid = `local-${Date.now().toString(36)}`
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" }] })
  const server = createServer((request, response) => {
    if (request.url !== "/jwks.json") return void response.writeHead(404).end()
    response.writeHead(200, { "content-type": "application/jwk-set+json" }).end(keys)
  })
  const port = await freePort()
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve)
  })
  const issuer = `http://127.0.0.1:${port}`
  return {
    token: ({ sub, scope, expiresIn = 43_200 }) =>
      new SignJWT(scope === undefined ? {} : { scope })
        .setProtectedHeader({ alg: "ES256", kid, typ: "at+jwt" })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(sub)
        .setIssuedAt()
        .setExpirationTime(Math.floor(Date.now() / 1_000) + expiresIn)
        .sign(privateKey),
    env: { AUTH: "", AUTH_JWKS_URL: `${issuer}/jwks.json`, AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience },
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
