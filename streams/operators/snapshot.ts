// snapshot: a tap that writes the whole state every N versions or T milliseconds, off the path.
import {
  asyncScheduler,
  auditTime,
  connect,
  endWith,
  finalize,
  ignoreElements,
  type MonoTypeOperatorFunction,
  merge,
  type SchedulerLike,
  takeUntil,
  tap,
} from 'rxjs';
import { refuseUnknownOptions } from '../../src/errors.ts';
import { encodeSnapshotInSlices, type Snapshot } from '../../src/frames/snapshot.ts';
import { Producers } from '../../src/producers.ts';
import type { RMSpropState } from '../../src/rmsprop/state/state.ts';
import { Tensors } from '../../src/tensors.ts';
import type { Step } from './flow.ts';
import { inSlices } from './in-slices.ts';

/** What a snapshot holds beside the optimizer: where in which history it stands. */
export type SnapshotContext = Pick<Snapshot, 'model' | 'run' | 'epoch' | 'producers' | 'examples' | 'published'>;

/** When, what and where to. */
export interface SnapshotOptions {
  /** Writes a frame somewhere, atomically. One write at a time: what comes due meanwhile is left to the next time. */
  readonly write: (frame: Uint8Array, version: number) => Promise<unknown>;
  /** Every how many versions; 5,000 unless told. */
  readonly every?: number;
  /** At the latest this long after a step that no snapshot holds; 30,000 ms unless told. */
  readonly intervalMs?: number;
  /** Where in which history the steps stand, read when a snapshot is taken; a nameless one unless told. */
  readonly context?: () => SnapshotContext;
  /** Told when a write fails; the stream lives on and the next one is tried. */
  readonly onError?: (error: unknown) => void;
  /** The clock of `intervalMs`, and what gives the event loop back between two slices of the work. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Passes every step on unchanged. The state is copied in the step's own turn. Encoding it happens after, in slices of about a
 * millisecond between which the stream goes on; at the end of the stream what is left of it is done at once. Then it is written.
 *
 * From its first snapshot on it keeps memory for one copy of the state, so that the next copy goes at the memory's speed.
 *
 * @throws GradwireError `E_CONFIG` for an option that it does not know.
 */
export function snapshot<Name extends string, Input>(options: SnapshotOptions): MonoTypeOperatorFunction<Step<Name, Input>> {
  refuseUnknownOptions('snapshot', options, ['write', 'every', 'intervalMs', 'context', 'onError', 'scheduler']);
  const { write, every = 5_000, intervalMs = 30_000, context = nameless } = options;
  const { onError = nothing, scheduler = asyncScheduler } = options;
  return connect((steps$) => {
    let written = 0;
    let writing = false;
    let spare: RMSpropState | undefined;
    let finish = nothing;
    const take = (step: Step<Name, Input>): void => {
      if (writing || step.optimizer.version === written) return;
      writing = true;
      written = step.optimizer.version;
      const taken = snapshotOf(step, context(), spare);
      spare = taken.state;
      const end = (): void => {
        writing = false;
        finish = nothing;
      };
      const fail = (error: unknown): void => {
        end();
        onError(error);
      };
      finish = inSlices(encodeSnapshotInSlices(taken), scheduler, {
        next: (frame) => void write(frame, taken.version).then(end, fail),
        error: fail,
      });
    };
    // a pending timer must not hold back the end of the stream
    const end$ = steps$.pipe(ignoreElements(), endWith(true));
    const due$ = steps$.pipe(auditTime(intervalMs, scheduler), takeUntil(end$), tap(take), ignoreElements());
    return merge(
      steps$.pipe(
        tap((step) => {
          if (step.version % every === 0) take(step);
        }),
      ),
      due$,
    ).pipe(finalize(() => finish()));
  });
}

/** A copy of a step's state, with its place in its history; `spare`, an earlier one that nobody needs, gives its memory for it. */
export function snapshotOf<Name extends string>(
  { optimizer }: Pick<Step<Name>, 'optimizer'>,
  { producers, published, ...context }: SnapshotContext,
  spare?: RMSpropState,
): Snapshot<Name> {
  const state = optimizer.state(spare);
  return {
    ...context,
    producers: producers.copy(),
    version: state.version,
    optimizer: optimizer.getConfig(),
    parameters: new Tensors(optimizer.layout, state.parameters),
    published: published && new Tensors(optimizer.layout, published.flat.slice()),
    state,
  };
}

const nothing = (): void => undefined;

function nameless(): SnapshotContext {
  return { model: 'default', run: 'local', epoch: 0, producers: new Producers(), examples: 0 };
}
