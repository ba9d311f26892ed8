// publish: steps in, update frames out. What is published is what replicas hold.
import {
  asyncScheduler,
  connect,
  debounceTime,
  defer,
  EMPTY,
  endWith,
  filter,
  ignoreElements,
  type MonoTypeOperatorFunction,
  map,
  merge,
  type OperatorFunction,
  type SchedulerLike,
  takeUntil,
  throttleTime,
} from 'rxjs';
import { encodingOf } from '../../src/encodings/encodings.ts';
import { type EncodingOptions, encodingOptionNames } from '../../src/encodings/names.ts';
import { GradwireError, refuseUnknownOptions } from '../../src/errors.ts';
import type { Published } from '../../src/published.ts';
import type { Publication, Step } from './flow.ts';
import type { Gate } from './gate.ts';
import { Publisher } from './publisher.ts';

/** How and how often: every version, unless told. */
export interface PublishSettings extends EncodingOptions {
  /** Versions that make a publication; 1 unless told. */
  readonly every?: number;
  /** The least time between two publications; what waits goes out when it has passed. None unless told. */
  readonly intervalMs?: number;
  /** After this time without a step everything that is still missing goes out in `f32`; 1,000 ms unless told. */
  readonly settleMs?: number;
  /** Every how many versions an update carries a digest of all weights; 256 unless told. */
  readonly digestEvery?: number;
}

/** Whose updates they are, and {@link PublishSettings}. */
export interface PublishOptions<Name extends string = string> extends PublishSettings {
  /** The model's name, `default` unless told. */
  readonly name?: string;
  /** The model's history, `local` unless told. */
  readonly run?: string;
  /** The trainer's fencing number, 0 unless told. */
  readonly epoch?: number;
  /** The published weights to go on from, which have an encoding of their own; unless told, the first update brings what its steps touched in `f32`. */
  readonly published?: Published<Name>;
  /** What may hold back steps before they come here; nothing goes out while it does. */
  readonly gate?: Pick<Gate, 'held' | 'free$'>;
  /** The clock of `intervalMs` and `settleMs`. */
  readonly scheduler?: SchedulerLike;
}

const settingNames = [...encodingOptionNames, 'every', 'intervalMs', 'settleMs', 'digestEvery'];

/** Throws `E_CONFIG` for settings that cannot be meant; `what` names them. */
export function refusePublishSettings(what: string, options: PublishSettings, more: readonly string[] = []): void {
  refuseUnknownOptions(what, options, [...settingNames, ...more]);
  encodingOf(options);
  const { every = 1, digestEvery = 1, intervalMs = 1, settleMs = 1 } = options;
  for (const [name, value] of Object.entries({ every, digestEvery }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new GradwireError('E_CONFIG', `${what}: ${name} must be an integer from 1; got ${String(value)}`);
  for (const [name, value] of Object.entries({ intervalMs, settleMs }))
    if (!(value > 0 && value < 2 ** 31))
      throw new GradwireError('E_CONFIG', `${what}: ${name} must be a number from above 0 to 2^31-1; got ${String(value)}`);
}

/**
 * Publishes what steps change, as update frames that a replica folds to the same bits: each step by itself, or several merged.
 *
 * What `every` and `intervalMs` hold back, and what a lossy encoding dropped, goes out in `f32` after `settleMs` without a step
 * and at the end of the source. The published weights are the parameters then.
 *
 * @throws GradwireError `E_CONFIG` for options that it does not know, or that cannot be meant.
 */
export function publish<Name extends string, Input>(
  options: PublishOptions<Name> = {},
): OperatorFunction<Step<Name, Input>, Publication<Input>> {
  refusePublishSettings('publish', options, ['name', 'run', 'epoch', 'published', 'gate', 'scheduler']);
  const { every = 1, intervalMs, settleMs = 1000, scheduler = asyncScheduler, published, gate } = options;
  const isLossy = published?.encoding.isLossy ?? encodingOf(options).isLossy;
  return (source) =>
    defer(() => {
      const publisher = new Publisher<Name, Input>(options);
      const noted$ = source.pipe(map((step) => publisher.note(step)));
      const isPlain = every === 1 && intervalMs === undefined && !isLossy;
      const what$ = isPlain
        ? noted$.pipe(map(() => 'publish' as const))
        : noted$.pipe(
            connect((steps$) => {
              const end$ = steps$.pipe(ignoreElements(), endWith(true));
              const due$ = steps$.pipe(filter((waiting) => waiting >= every));
              // at the end of the source debounceTime emits at once
              const idle$ = merge(steps$.pipe(debounceTime(settleMs, scheduler)), gate?.free$.pipe(map(() => 0)) ?? EMPTY);
              const ready$ = merge(due$.pipe(map(() => 'publish' as const)), idle$.pipe(map(() => 'settle' as const)));
              const last$ = end$.pipe(map(() => 'settle' as const));
              // what waits is kept in memory, and named in one header: both have their limits, whatever the interval
              const full$ = steps$.pipe(
                filter(() => publisher.isFull),
                map(() => 'publish' as const),
              );
              return merge(full$, ready$.pipe(spaced(intervalMs, scheduler), takeUntil(end$)), last$);
            }),
          );
      return what$.pipe(
        map((what) => publisher[what]()),
        filter((publication) => publication !== undefined),
      );
    });
}

function spaced<T>(intervalMs: number | undefined, scheduler: SchedulerLike): MonoTypeOperatorFunction<T> {
  if (intervalMs === undefined) return (source) => source;
  return throttleTime(intervalMs, scheduler, { leading: true, trailing: true });
}
