import { formatMoney } from "../money/Money.js"
import { useWords } from "../words/Language.js"

/** Money for people; the minor units of the API stand in its value and its tooltip. */
export const Money = ({ minor }: { readonly minor: number }) => {
  const words = useWords()
  return (
    <data class="money" value={String(minor)} title={words.minorUnits(minor)}>
      {formatMoney(minor, words.locale)}
    </data>
  )
}
