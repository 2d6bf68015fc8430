/** Who is calling. Made by authentication, passed as the first argument to everything that touches an account's data. */
export interface Principal {
  readonly accountId: string
  readonly keyId: string
  /** Name of the account's plan. */
  readonly plan: string
}
