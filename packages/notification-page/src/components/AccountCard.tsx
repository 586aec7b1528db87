import type { Session, SessionState } from "../state/Session.js"
import { faultText } from "../words/FaultText.js"
import { useWords } from "../words/Language.js"
import { AmountForm } from "./AmountForm.js"
import { Money } from "./Money.js"
import { Rings } from "./Rings.js"
import { Transfers } from "./Transfers.js"

const choices = [10_00, 100_00, 1_000_00]

/** The balance, and how to add to it. */
export const AccountCard = ({
  state: { account, accountFault },
  session,
}: {
  readonly state: SessionState
  readonly session: Session | undefined
}) => {
  const words = useWords()
  return (
    <section class="account" aria-labelledby="balance">
      <Rings class="account-rings" />
      <h2 id="balance">{words.balance}</h2>
      <p class="balance" data-size={sizeOf(account?.balance ?? 0)}>
        {account === undefined ? "…" : <Money minor={account?.balance ?? 0} />}
      </p>
      {accountFault === undefined ? (
        account === null ? (
          <p class="account-note">{words.noAccount}</p>
        ) : null
      ) : (
        <p class="account-note" role="alert">
          {faultText(accountFault, words)}{" "}
          <button type="button" class="link" onClick={() => session?.refreshAccount()}>
            {words.tryAgain}
          </button>
        </p>
      )}
      <AmountForm
        id="top-up"
        label={words.topUpAmount}
        example={10_00}
        action={words.topUp}
        done={words.topUpDone}
        choices={choices}
        send={session?.topUp}
      />
      {account ? <Transfers userId={account.userId} version={account.version} /> : null}
    </section>
  )
}

/** Millions need smaller letters to stay on their line, and the largest balance of all still smaller ones. */
const sizeOf = (balance: number) =>
  balance < 1_000_000_00 ? "short" : balance < 10_000_000_000_00 ? "long" : "longest"
