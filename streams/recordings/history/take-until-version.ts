// takeUntilVersion: a breakpoint in a stream of versions.
import { type MonoTypeOperatorFunction, takeWhile } from 'rxjs';

/**
 * Passes what comes up to and with version `version`, then completes and unsubscribes, so that a replay reads no further. Nothing of a
 * stream that begins after that version passes.
 */
export function takeUntilVersion<Value extends { readonly version: number }>(version: number): MonoTypeOperatorFunction<Value> {
  return (source) =>
    source.pipe(
      takeWhile((value) => value.version <= version),
      takeWhile((value) => value.version !== version, true),
    );
}
