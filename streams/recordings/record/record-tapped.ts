// recordTapped: writes what a tap gives to a recording of its own, as the trainer itself has it.
import { defer, type MonoTypeOperatorFunction, tap } from 'rxjs';
import { refuseUnknownOptions } from '../../../src/errors.ts';
import type { Tapped } from '../../operators/tapped.ts';
import { groupCommit } from '../journal/group-commit.ts';
import { refuseDurability } from '../journal/options.ts';
import { closing } from './closing.ts';
import { TappedRecorder, type TappedRecordOptions } from './tapped-recorder.ts';

const names = ['durability', 'clock', 'create', 'onWritten', 'onFull'];

// what waits to be written, from which on the source should wait
const mostWaitingBytes = 64 << 20;

/**
 * Records what a tap gives: the state that it starts with and every batch, under the trainer's own run, epochs and versions.
 * Each value passes unchanged and in order once it is written, and replaying the recording gives the trainer's bits.
 *
 * A `path` that ends in .mcap is a file, which must not be there yet; each further epoch of the trainer, and each further
 * start, is a file of its own (`name-2.mcap`). Any other path is a directory, made where it is not there, of `seg-….mcap`
 * files that stand for one recording. The files are closed, with a summary, when the source ends, fails or is unsubscribed.
 *
 * Errors: `E_FILE` where a file, or a recording in the directory, is there already; `E_DISK`; `E_RECORDING` where a version
 * does not follow. Bad options throw `E_CONFIG` here.
 */
export function recordTapped(path: string, options: TappedRecordOptions = {}): MonoTypeOperatorFunction<Tapped> {
  refuseUnknownOptions('recordTapped', options, names);
  refuseDurability(options.durability ?? 'os');
  const pass = options.durability === 'none' ? 'before' : 'after';
  return (source) =>
    defer(() => {
      const recorder = new TappedRecorder(path, options);
      const line = new Line(options.onFull);
      return source.pipe(
        tap(({ frame }) => line.add(frame.byteLength)),
        groupCommit({ write: (group) => recorder.append(group), sizeOf: ({ frame }) => frame.byteLength, pass }),
        tap(({ frame }) => line.add(-frame.byteLength)),
        closing(recorder),
      );
    });
}

/** Bytes that wait to be written, and who is told when they are too many. */
class Line {
  readonly #onFull: ((full: boolean) => void) | undefined;
  #bytes = 0;
  #full = false;

  constructor(onFull: ((full: boolean) => void) | undefined) {
    this.#onFull = onFull;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    // half of it must be free again, so that the source is not switched at every batch
    const full = this.#full ? this.#bytes > mostWaitingBytes / 2 : this.#bytes >= mostWaitingBytes;
    if (full === this.#full) return;
    this.#full = full;
    this.#onFull?.(full);
  }
}
