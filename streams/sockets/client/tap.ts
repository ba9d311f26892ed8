// tap: a trainer's stream of gradients as an Observable, from the version where it joins, across every cut.
import { Observable } from 'rxjs';
import type { Tapped } from '../../operators/tapped.ts';
import { socketAddress } from './address.ts';
import { type TapOptions, tapOptionsOf } from './tap-options.ts';
import { Tapping } from './tapping.ts';

/**
 * Taps a trainer: first its whole state, then every batch that it folds after it, in order and none twice.
 *
 * Cold: each subscription makes its own connection, and makes it again after every cut, to resume where it stood. Where the
 * trainer has not kept what is missing, it errs with `E_RECORDING_GAP`, or starts anew with the option `restart`. It never
 * completes; unsubscribing closes the connection.
 *
 * `url` is the trainer's, as `connect` takes it. Bad options throw `E_CONFIG` here. Errors: `E_RECORDING_GAP`; `E_CONNECTION`
 * where there is no start within `readyTimeoutMs`; the code of a trainer that refuses this client for good; `E_CHECK` and
 * the codes of a frame, for one that comes damaged again and again.
 */
export function tap(url: string, options: TapOptions = {}): Observable<Tapped> {
  const settings = tapOptionsOf(options);
  const address = socketAddress(url, settings.model);
  return new Observable<Tapped>((subscriber) => {
    const tapping = new Tapping(address, settings, subscriber);
    const holding = settings.hold$?.subscribe({
      next: (on) => tapping.hold(on),
      error: (error: unknown) => subscriber.error(error),
    });
    subscriber.add(() => {
      holding?.unsubscribe();
      tapping.close();
    });
    tapping.open();
  });
}
