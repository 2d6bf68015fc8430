/** Mailboxes that tell when a turn is asked for. */
import { Mailboxes } from '../../packages/server/src/workspace/mailbox.ts'

/** Resolves `asked` at the next request for a turn, whatever becomes of it; a test puts a new one there before it waits again. */
export class WatchedMailboxes extends Mailboxes {
  asked = Promise.withResolvers<void>()
  override run: Mailboxes['run'] = (...args) => {
    try {
      return super.run(...args)
    } finally {
      this.asked.resolve()
    }
  }
}
