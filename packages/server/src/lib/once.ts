/** Work that is done on first use, once however many ask. */

/** Makes a function that runs `fn` at its first call and then answers the same; a failure is not kept, the next call tries again. */
export function once<T>(fn: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined
  return () => {
    result ??= fn().catch((error) => {
      result = undefined
      throw error
    })
    return result
  }
}
