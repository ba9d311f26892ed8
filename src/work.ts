// Long work in slices: whoever drives it decides what happens between them.

/** Work that stops after each slice, of about a millisecond, and gives its result at the end. */
export type Work<T> = Generator<void, T, void>;

/** Does all slices that are left, one after the other. */
export function finish<T>(work: Work<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
