import type { Session } from "../state/Session.js"
import { useWords } from "../words/Language.js"
import { AmountForm } from "./AmountForm.js"

/** Placing an order. */
export const OrderCard = ({ session }: { readonly session: Session | undefined }) => {
  const words = useWords()
  return (
    <section class="card" aria-labelledby="new-order">
      <h2 id="new-order">{words.newOrder}</h2>
      <AmountForm
        id="order"
        label={words.orderAmount}
        example={5_00}
        action={words.placeOrder}
        done={words.orderPlaced}
        send={session?.placeOrder}
      />
    </section>
  )
}
