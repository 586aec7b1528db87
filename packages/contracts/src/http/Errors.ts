import { Schema } from "effect"
import { asProblem, InvalidField } from "../Problem.js"

const detail = { detail: Schema.String }
const details = { ...detail, errors: Schema.optionalWith(Schema.Array(InvalidField), { exact: true }) }

/** The input breaks the contract; `errors` names each field that does. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", details) {}
/** The body is not JSON at all. */
export class MalformedJson extends Schema.TaggedError<MalformedJson>()("MalformedJson", detail) {}
/** The body is over 64 KiB. */
export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", detail) {}
/** The body is neither absent nor `application/json`. */
export class UnsupportedMediaType extends Schema.TaggedError<UnsupportedMediaType>()("UnsupportedMediaType", detail) {}
/** No token came with the request, or not a good one; `WWW-Authenticate` says what is wanted (RFC 6750). */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", detail) {}
/** The caller may not do that: act for somebody else, top up without the scope for it, or call from a page of a foreign origin. */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", detail) {}
/** There is nothing here, or it is somebody else's. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", detail) {}
/** The caller asks more often than its rate allows; `Retry-After` says when to come again. */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()("TooManyRequests", detail) {}
/** No order has this id, or it is somebody else's. */
export class OrderNotFound extends Schema.TaggedError<OrderNotFound>()("OrderNotFound", detail) {}
/** The order has ended otherwise than what is asked of it. */
export class OrderAlreadySettled extends Schema.TaggedError<OrderAlreadySettled>()("OrderAlreadySettled", detail) {}
/** The user has no account, or it is somebody else's. */
export class AccountNotFound extends Schema.TaggedError<AccountNotFound>()("AccountNotFound", detail) {}
/** All that the account was ever topped up with would pass 2^53−1 minor units. */
export class FundingLimitExceeded extends Schema.TaggedError<FundingLimitExceeded>()("FundingLimitExceeded", detail) {}
/** Nothing was decided about this order's payment yet, or it is somebody else's. */
export class PaymentNotFound extends Schema.TaggedError<PaymentNotFound>()("PaymentNotFound", detail) {}
/** The first request with this `Idempotency-Key` is still being answered; `Retry-After` says when to come again. */
export class RequestInFlight extends Schema.TaggedError<RequestInFlight>()("RequestInFlight", detail) {}
/** The `Idempotency-Key` was used for a request that says something else. */
export class IdempotencyKeyReused extends Schema.TaggedError<IdempotencyKeyReused>()("IdempotencyKeyReused", detail) {}
/** Something that the service needs is not there at the moment. After a lost commit it is unknown whether a change was made. */
export class ServiceUnavailable extends Schema.TaggedError<ServiceUnavailable>()("ServiceUnavailable", detail) {}

/** The wire form of every declared error, by name. */
export const Problems = {
  InvalidRequest: asProblem("invalid-request", InvalidRequest),
  MalformedJson: asProblem("malformed-json", MalformedJson),
  PayloadTooLarge: asProblem("payload-too-large", PayloadTooLarge),
  UnsupportedMediaType: asProblem("unsupported-media-type", UnsupportedMediaType),
  Unauthorized: asProblem("unauthorized", Unauthorized),
  Forbidden: asProblem("forbidden", Forbidden),
  NotFound: asProblem("not-found", NotFound),
  TooManyRequests: asProblem("too-many-requests", TooManyRequests),
  OrderNotFound: asProblem("order-not-found", OrderNotFound),
  OrderAlreadySettled: asProblem("order-already-settled", OrderAlreadySettled),
  AccountNotFound: asProblem("account-not-found", AccountNotFound),
  FundingLimitExceeded: asProblem("funding-limit-exceeded", FundingLimitExceeded),
  PaymentNotFound: asProblem("payment-not-found", PaymentNotFound),
  RequestInFlight: asProblem("request-in-flight", RequestInFlight),
  IdempotencyKeyReused: asProblem("idempotency-key-reused", IdempotencyKeyReused),
  ServiceUnavailable: asProblem("service-unavailable", ServiceUnavailable),
}
