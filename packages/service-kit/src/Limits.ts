/** The largest body of a request, in bytes; more is 413. Every command of the contract fits many times over. */
export const maximumBodyBytes = 65_536

/** The longest request target, in bytes; more is 414. */
export const maximumUriBytes = 8_192

/** The largest request line and headers together, in bytes; more is 431. */
export const maximumHeaderBytes = maximumUriBytes + 16_384
