import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from "jose"

/** A key of an issuer, with its public half as it is published. */
export interface Key {
  readonly kid: string
  readonly alg: string
  readonly publicKey: CryptoKey
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

export const makeKey = (kid: string, alg = "ES256") =>
  Effect.promise(async (): Promise<Key> => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
    return { kid, alg, publicKey, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } }
  })

/** A token that a service of {@link issue} believes; `claims` and `header` change it, undefined takes away. */
export const tokenOf = (
  key: Key,
  claims: Readonly<Record<string, unknown>> = {},
  header: Partial<JWTHeaderParameters> = {},
  signWith: CryptoKey | Uint8Array = key.privateKey,
) =>
  Effect.promise(() => {
    const now = Math.floor(Date.now() / 1_000)
    const all = { iss: "https://issuer.test/", aud: "tandem", sub: "1", iat: now, exp: now + 600, ...claims }
    return new SignJWT(all).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(signWith)
  })

interface Issuer {
  readonly url: URL
  keys: ReadonlyArray<{ readonly jwk: JWK }>
  /** What it does instead of telling its keys. */
  fault: undefined | "down" | "500" | "nonsense" | "redirect" | "silent" | "endless"
  /** How often it was asked. */
  asked: number
  readonly close: () => void
}

/** An issuer that publishes keys, counts who asks, and breaks as it is told. */
export const issue = (...published: ReadonlyArray<Key>) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Issuer>((resolve) => {
          const server = createServer((_request, response) => {
            issuer.asked++
            switch (issuer.fault) {
              case "down":
                return void response.destroy()
              case "500":
                return void response.writeHead(500).end()
              case "nonsense":
                return void response.end('{"keys":"none"}')
              case "redirect":
                return void response.writeHead(302, { location: "/elsewhere" }).end()
              case "silent":
                return
              case "endless":
                return void response.end(JSON.stringify({ keys: [], pad: "x".repeat(300_000) }))
              case undefined:
                return void response.end(JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) }))
            }
          })
          const issuer: Issuer = {
            url: new URL("http://127.0.0.1"),
            keys: published,
            fault: undefined,
            asked: 0,
            close: () => {
              server.close()
              server.closeAllConnections()
            },
          }
          server.listen(0, "127.0.0.1", () => {
            issuer.url.port = String((server.address() as AddressInfo).port)
            resolve(issuer)
          })
        }),
    ),
    ({ close }) => Effect.sync(close),
  )
