// What `replay` may be told, and what is refused before anything is read.
import type { SchedulerLike } from 'rxjs';
import { GradwireError, refuseUnknownOptions } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import type { ReadProgress } from './chunks.ts';
import type { TornTail } from './torn.ts';

/** Which part of a recording is replayed, how fast, and who hears about it. */
export interface ReplayOptions<Name extends string = string> {
  /**
   * Where to begin. A number is the version to go on from: the first batch makes the one after it. A Date is a time of writing:
   * the first batch is the recording's first that was written at that millisecond or after. The recording's first batch unless
   * told. What lies before is not read.
   */
  readonly from?: number | Date;
  /**
   * Where to end. A number is the last version. A Date is a time of writing: the last batch is the one before the recording's
   * first that was written after that millisecond. The recording's last batch unless told, or where it ends before.
   */
  readonly until?: number | Date;
  /**
   * The original timing, so many times faster: a batch is due when the time between its writing and that of the first one,
   * divided by this, has passed since the first one was emitted. As fast as it is read unless told.
   */
  readonly speed?: number;
  /** The clock and the timers of `speed`; RxJS' `asyncScheduler` unless told. */
  readonly scheduler?: SchedulerLike;
  /** The model that the batches are checked against, so that its optimizer does not check them again; the recording's own unless told. */
  readonly model?: Layout<Name>;
  /**
   * Whether batches are only lent: the next one overwrites the frame, the rows and the values of the one before. For who takes each at once,
   * as an optimizer does; large batches are then read much faster. Not unless told.
   */
  readonly lent?: boolean;
  /** Told how far reading has come. */
  readonly progress?: (progress: ReadProgress) => void;
  /** Told of a last write that its process did not finish, and nobody was told of. */
  readonly onTorn?: (tail: TornTail) => void;
}

const names = ['from', 'until', 'speed', 'scheduler', 'model', 'lent', 'progress', 'onTorn'];

/** Throws `E_CONFIG` for options that do not do. */
export function refuseReplayOptions({ from, until, speed, ...rest }: ReplayOptions): void {
  refuseUnknownOptions('replay', { from, until, speed, ...rest }, names);
  refusePlace('from', from);
  // everything, said as a number
  if (until !== Number.POSITIVE_INFINITY) refusePlace('until', until);
  if (speed !== undefined && !(Number.isFinite(speed) && speed > 0)) {
    throw new GradwireError('E_CONFIG', `speed must be a number above 0; got ${String(speed)}`);
  }
  if (typeof from === typeof until) refuseOrder(from, until);
}

/** Throws `E_CONFIG` where `from` lies after `until`. */
export function refuseOrder(from: number | Date | undefined, until: number | Date | undefined): void {
  if (from === undefined || until === undefined || from <= until) return;
  throw new GradwireError('E_CONFIG', `from must not lie after until; got ${shown(from)} and ${shown(until)}`);
}

function refusePlace(name: string, value: unknown): void {
  const isTime = value instanceof Date && !Number.isNaN(value.getTime());
  if (value === undefined || isTime || (Number.isSafeInteger(value) && (value as number) >= 0)) return;
  throw new GradwireError('E_CONFIG', `${name} must be a version (an integer from 0) or a Date; got ${String(value)}`);
}

function shown(place: number | Date): string {
  return typeof place === 'number' ? String(place) : place.toISOString();
}
