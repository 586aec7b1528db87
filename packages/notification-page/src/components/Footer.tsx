import { orderServiceUrl, paymentServiceUrl } from "../api/Services.js"
import { useWords } from "../words/Language.js"

/** The way to the APIs that the page speaks to. */
export const Footer = () => {
  const words = useWords()
  return (
    <footer class="footer">
      <a href={new URL("swagger-ui/index.html", orderServiceUrl).href}>{words.ordersApi}</a>
      <a href={new URL("swagger-ui/index.html", paymentServiceUrl).href}>{words.paymentsApi}</a>
    </footer>
  )
}
