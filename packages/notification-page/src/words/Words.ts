import type { OrderStatus, Reason } from "@tandem/contracts/OrderStatus"
import type { ProblemKind } from "@tandem/contracts/Problem"
import type { ConnectionState } from "@tandem/notification-client/NotificationClient"
import type { ServiceName } from "../api/Fault.js"
import type { Transfer } from "../api/Services.js"
import { type AmountFault, maximumAmount } from "../money/Money.js"
import type { Asking } from "../state/Session.js"

/** Everything that the page says, in one language; but for the toasts' titles, which are the same in all. */
export interface Words {
  /** For numbers, money and moments. */
  readonly locale: string
  readonly title: string
  readonly language: string
  readonly user: string
  readonly openUser: string
  readonly userIsInvalid: string
  readonly noSuchUser: string
  readonly connection: Readonly<Record<ConnectionState, string>>
  readonly balance: string
  readonly noAccount: string
  readonly minorUnits: (minor: number) => string
  readonly topUp: string
  readonly topUpDone: (money: string) => string
  readonly topUpAmount: string
  readonly quickAmounts: string
  readonly newOrder: string
  readonly orderAmount: string
  readonly placeOrder: string
  readonly orderPlaced: (money: string) => string
  readonly amountHint: string
  readonly sending: string
  readonly orders: string
  readonly ordersLoading: string
  readonly noOrders: string
  readonly noOrdersHint: string
  readonly showOlder: string
  readonly trimmed: (count: number) => string
  readonly tryAgain: string
  readonly status: Readonly<Record<OrderStatus, string>>
  readonly reason: Readonly<Record<Reason, string>>
  readonly amountFault: Readonly<Record<AmountFault, string>>
  readonly unreachable: Readonly<Record<ServiceName, string>>
  /** What to say besides when a command had no answer: it may have been carried out. */
  readonly uncertain: Readonly<Record<ServiceName, string>>
  readonly unexpected: string
  readonly problem: Readonly<Record<ProblemKind, string>>
  readonly notifications: string
  /** Titles of the toasts that do not speak of a payment. */
  readonly toast: Readonly<Record<"cancelled-by-user" | "refunded", string>>
  readonly desktopNotices: string
  readonly history: string
  readonly orderNumber: string
  readonly ask: Readonly<Record<Asking, string>>
  readonly asked: Readonly<Record<Asking, string>>
  readonly transfers: string
  readonly transfer: Readonly<Record<Transfer["kind"], string>>
  readonly balanceAfter: string
  readonly signIn: string
  readonly signInHint: string
  readonly token: string
  readonly tokenRefused: string
  readonly signInAction: string
  readonly orderFor: (money: string) => string
  readonly dismiss: string
  readonly ordersApi: string
  readonly paymentsApi: string
}

/** The largest amount in whole roubles, as the locale writes it. */
const largest = (locale: string) => new Intl.NumberFormat(locale).format(maximumAmount / 100)

const ru: Words = {
  locale: "ru-RU",
  title: "Tandem: заказы и оплата",
  language: "Язык",
  user: "Пользователь",
  openUser: "Открыть",
  userIsInvalid: "От 1 до 64 латинских букв, цифр, дефисов и подчёркиваний",
  noSuchUser: "Такого пользователя быть не может",
  connection: {
    connecting: "Подключаемся",
    open: "На связи",
    waiting: "Нет связи, пробуем снова",
    closed: "Отключено",
  },
  balance: "Баланс",
  noAccount: "Счёта ещё нет. Он появится с первым пополнением.",
  minorUnits: (minor) => `${minor} коп., в API amount=${minor}`,
  topUp: "Пополнить",
  topUpDone: (money) => `Зачислено ${money}`,
  topUpAmount: "Сумма пополнения",
  quickAmounts: "Быстрый выбор суммы",
  newOrder: "Новый заказ",
  orderAmount: "Сумма заказа",
  placeOrder: "Заказать",
  orderPlaced: (money) => `Заказ на ${money} принят`,
  amountHint: "В рублях, копейки через запятую",
  sending: "Отправляем…",
  orders: "Заказы",
  ordersLoading: "Загружаем заказы",
  noOrders: "Заказов пока нет",
  noOrdersHint: "Пополните счёт и сделайте первый заказ: он появится здесь сразу. То же из терминала:",
  showOlder: "Показать ещё",
  trimmed: (count) => `Показаны последние ${count} заказов`,
  tryAgain: "Повторить",
  status: { NEW: "Ждёт оплаты", FINISHED: "Оплачен", CANCELLED: "Отменён", REFUNDED: "Деньги возвращены" },
  reason: {
    InsufficientFunds: "не хватило денег на счёте",
    AccountNotFound: "у пользователя ещё нет счёта",
    CancelledByUser: "отменён покупателем",
    PaymentTimeout: "оплата не пришла вовремя",
    RefundedByUser: "по просьбе покупателя",
  },
  amountFault: {
    empty: "Введите сумму",
    malformed: "Сумма пишется цифрами, например 250 или 99,90",
    "too-precise": "После запятой не больше двух цифр",
    zero: "Сумма должна быть больше нуля",
    "too-large": `Не больше ${largest("ru-RU")} ₽ за один раз`,
  },
  unreachable: {
    orders: "Сервис заказов не отвечает.",
    payments: "Сервис оплаты не отвечает.",
  },
  uncertain: {
    orders: "Принят ли заказ, будет видно по списку.",
    payments: "Прошло ли пополнение, будет видно по балансу.",
  },
  unexpected: "Сервис ответил непонятно. Попробуйте ещё раз.",
  problem: {
    "invalid-request": "Сервис не принял запрос",
    "malformed-json": "Сервис не смог прочитать запрос",
    unauthorized: "Нужно войти заново",
    forbidden: "Это действие запрещено",
    "not-found": "Здесь ничего нет",
    "order-not-found": "Такого заказа нет",
    "account-not-found": "Счёта ещё нет",
    "payment-not-found": "Такого платежа нет",
    "method-not-allowed": "Это действие здесь невозможно",
    "order-already-settled": "Заказ уже завершён иначе",
    "request-in-flight": "Такой же запрос ещё выполняется",
    "payload-too-large": "Запрос слишком большой",
    "uri-too-long": "Адрес запроса слишком длинный",
    "unsupported-media-type": "Сервис не понимает такой запрос",
    "idempotency-key-reused": "Этот ключ уже занят другим запросом",
    "funding-limit-exceeded": "Достигнут предел пополнения этого счёта",
    "too-many-requests": "Слишком много запросов, подождите немного",
    "headers-too-large": "Заголовки запроса слишком большие",
    "internal-error": "В сервисе ошибка. Попробуйте позже.",
    "service-unavailable": "Сервис сейчас недоступен, ничего не изменилось. Попробуйте ещё раз.",
  },
  notifications: "Уведомления",
  toast: { "cancelled-by-user": "Заказ отменён", refunded: "Деньги вернулись" },
  desktopNotices: "Уведомлять на рабочем столе",
  history: "История заказа",
  orderNumber: "Номер",
  ask: { cancel: "Отменить заказ", refund: "Вернуть деньги" },
  asked: { cancel: "Отмена запрошена…", refund: "Возврат запрошен…" },
  transfers: "Движение денег",
  transfer: { topup: "Пополнение", payment: "Оплата заказа", refund: "Возврат" },
  balanceAfter: "остаток",
  signIn: "Нужно войти",
  signInHint: "Сервис спрашивает, кто вы. Вставьте токен, его печатает npm start -- --auth.",
  token: "Токен",
  tokenRefused: "Этот токен не подошёл",
  signInAction: "Войти",
  orderFor: (money) => `Заказ на ${money}`,
  dismiss: "Закрыть уведомление",
  ordersApi: "API заказов",
  paymentsApi: "API оплаты",
}

const en: Words = {
  locale: "en-GB",
  title: "Tandem: orders and payments",
  language: "Language",
  user: "User",
  openUser: "Open",
  userIsInvalid: "1 to 64 letters, digits, hyphens and underscores",
  noSuchUser: "There can be no such user",
  connection: {
    connecting: "Connecting",
    open: "Live",
    waiting: "Offline, trying again",
    closed: "Disconnected",
  },
  balance: "Balance",
  noAccount: "No account yet. The first top-up opens one.",
  minorUnits: (minor) => `${minor} kopecks, amount=${minor} in the API`,
  topUp: "Top up",
  topUpDone: (money) => `${money} added`,
  topUpAmount: "Amount to add",
  quickAmounts: "Quick amounts",
  newOrder: "New order",
  orderAmount: "Order amount",
  placeOrder: "Place order",
  orderPlaced: (money) => `Order for ${money} taken`,
  amountHint: "In roubles, kopecks after the point",
  sending: "Sending…",
  orders: "Orders",
  ordersLoading: "Loading orders",
  noOrders: "No orders yet",
  noOrdersHint: "Top up and place the first order: it shows up here at once. The same from a terminal:",
  showOlder: "Show more",
  trimmed: (count) => `The latest ${count} orders are shown`,
  tryAgain: "Try again",
  status: { NEW: "Awaiting payment", FINISHED: "Paid", CANCELLED: "Cancelled", REFUNDED: "Refunded" },
  reason: {
    InsufficientFunds: "not enough money on the account",
    AccountNotFound: "the user has no account yet",
    CancelledByUser: "cancelled by the customer",
    PaymentTimeout: "the payment did not come in time",
    RefundedByUser: "asked for by the customer",
  },
  amountFault: {
    empty: "Enter an amount",
    malformed: "Write the amount in digits, such as 250 or 99.90",
    "too-precise": "No more than two digits after the point",
    zero: "The amount must be more than zero",
    "too-large": `No more than ₽${largest("en-GB")} at once`,
  },
  unreachable: {
    orders: "The order service does not answer.",
    payments: "The payment service does not answer.",
  },
  uncertain: {
    orders: "The list will tell whether the order was taken.",
    payments: "The balance will tell whether the top-up got through.",
  },
  unexpected: "The service gave an unexpected answer. Try again.",
  problem: {
    "invalid-request": "The service did not accept the request",
    "malformed-json": "The service could not read the request",
    unauthorized: "You need to sign in again",
    forbidden: "This is not allowed",
    "not-found": "There is nothing here",
    "order-not-found": "There is no such order",
    "account-not-found": "There is no account yet",
    "payment-not-found": "There is no such payment",
    "method-not-allowed": "This cannot be done here",
    "order-already-settled": "The order has already ended otherwise",
    "request-in-flight": "The same request is still under way",
    "payload-too-large": "The request is too large",
    "uri-too-long": "The address of the request is too long",
    "unsupported-media-type": "The service does not understand such a request",
    "idempotency-key-reused": "This key belongs to another request",
    "funding-limit-exceeded": "This account cannot be funded any further",
    "too-many-requests": "Too many requests, wait a little",
    "headers-too-large": "The headers of the request are too large",
    "internal-error": "Something went wrong in the service. Try again later.",
    "service-unavailable": "The service is not available right now and nothing was changed. Try again.",
  },
  notifications: "Notifications",
  toast: { "cancelled-by-user": "Order cancelled", refunded: "Money returned" },
  desktopNotices: "Notify me on the desktop",
  history: "History of the order",
  orderNumber: "Number",
  ask: { cancel: "Cancel order", refund: "Refund" },
  asked: { cancel: "Cancellation asked…", refund: "Refund asked…" },
  transfers: "Movements",
  transfer: { topup: "Top-up", payment: "Payment of an order", refund: "Refund" },
  balanceAfter: "balance",
  signIn: "Sign in",
  signInHint: "The service asks who you are. Paste a token; npm start -- --auth prints some.",
  token: "Token",
  tokenRefused: "This token was not accepted",
  signInAction: "Sign in",
  orderFor: (money) => `Order for ${money}`,
  dismiss: "Dismiss notification",
  ordersApi: "Orders API",
  paymentsApi: "Payments API",
}

/** The languages of the page. */
export type Language = "ru" | "en"

/** The page's words by language. */
export const words: Readonly<Record<Language, Words>> = { ru, en }
