import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { NotFound } from "@tandem/contracts/http/Errors"
import { NotificationPage } from "@tandem/contracts/http/NotificationsApi"
import { OrderApi } from "@tandem/contracts/http/OrderApi"
import { Access } from "@tandem/service-kit/auth/Access"
import { maySee } from "@tandem/service-kit/auth/Caller"
import { unavailable } from "@tandem/service-kit/Problems"
import { Effect } from "effect"
import { Notifications } from "../sql/Notifications.js"

/** How many notifications a page holds when nobody says. */
const defaultLimit = 50

/** Reading what a user was told. */
export const NotificationsRoutes = HttpApiBuilder.group(OrderApi, "notifications", (handlers) =>
  Effect.gen(function* () {
    const { readAfter } = yield* Notifications
    const { caller } = yield* Access
    return handlers.handle("listNotifications", ({ request, urlParams: { userId, after = 0, limit = defaultLimit } }) =>
      Effect.gen(function* () {
        if (!maySee(caller(request), userId)) {
          return yield* new NotFound({ detail: "There is no such user's list." })
        }
        // One more than asked for tells whether another page follows.
        const frames = yield* readAfter(userId, after === "" ? 0 : after, limit + 1)
        const items = frames.slice(0, limit)
        const next = frames.length > limit ? (items.at(-1)?.seq ?? null) : null
        return new NotificationPage({ items, next }, { disableValidation: true })
      }).pipe(unavailable),
    )
  }),
)
