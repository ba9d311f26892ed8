// The gate before publication: lets steps pass, holds them back, and lets all of them go as one.
import { Subject } from 'rxjs';
import { GradwireError, quote } from '../../src/errors.ts';
import { isPrintable } from '../../src/layout.ts';
import { Rollback } from '../../src/rmsprop/state/rollback.ts';
import type { Admitted, Step } from './flow.ts';
import { type Guard, readAnswer, type Score, statisticsOf } from './guard.ts';
import { HeldBack } from './held-back.ts';

/** Why nothing is published at the moment. */
export interface Hold {
  /** The version that is published, and stays so. */
  readonly since: number;
  /** Who holds: the hook, the trainer's owner, or a rollback that is under way. */
  readonly by: 'guard' | 'owner' | 'rollback';
  readonly reason: string;
}

/** Who is asked, and who is told. */
export interface GateOptions {
  /** The published version to begin with. */
  readonly version: number;
  readonly guard?: Guard;
  /** Told of a rollback that the guard asks for; {@link Gate.begin} has been called. */
  readonly onRollback?: (version: number) => void;
  /** Told of a guard that throws, or answers what cannot be meant. */
  readonly onError?: (error: unknown) => void;
}

/** One trainer's gate. */
export class Gate<Name extends string = string> {
  /** What is published beside the flow of batches: all that was held back, when it is let go. */
  readonly released$: Subject<Step<Name, Admitted<Name>>> = new Subject<Step<Name, Admitted<Name>>>();
  /** Emits when nothing holds any more, after what was held back. */
  readonly free$: Subject<void> = new Subject<void>();
  readonly #options: GateOptions;
  // what holds until it is taken back, then what the guard said of the last step alone
  #sticky: Pick<Hold, 'by' | 'reason'> | undefined;
  #passing: Pick<Hold, 'by' | 'reason'> | undefined;
  #back: HeldBack<Name, Admitted<Name>>;
  #rollingBackTo: number | undefined;
  #score: Score | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#back = new HeldBack(options.version);
  }

  /** Why nothing is published; null where it is. */
  get held(): Hold | null {
    const to = this.#rollingBackTo;
    const rollback =
      to === undefined ? undefined : { by: 'rollback' as const, reason: `a rollback to version ${to} is under way` };
    const hold = rollback ?? this.#sticky ?? this.#passing;
    return hold === undefined ? null : { since: this.#back.from, ...hold };
  }

  /** Publishes nothing from now on, until {@link release} or a rollback. Throws `E_CONFIG` for what is no reason. */
  hold(reason: string = 'the owner holds'): void {
    const printable = typeof reason === 'string' && reason !== '' && reason.length <= 256 && isPrintable(reason);
    if (!printable)
      throw new GradwireError('E_CONFIG', `a reason has 1 to 256 printable characters; got ${quote(String(reason))}`);
    this.#sticky = { by: 'owner', reason };
  }

  /** Publishes what was held back as one update, and goes on. A rollback that is under way holds until it is done. Not while a step passes. */
  release(): void {
    this.#sticky = undefined;
    if (this.#rollingBackTo !== undefined) return;
    const merged = this.#open();
    if (merged !== undefined) this.released$.next(merged);
    this.free$.next();
  }

  /** Notes how good the weights of a version are: the higher the better. Throws `E_CONFIG`. */
  score(value: number, version: number): void {
    if (!Number.isFinite(value)) throw new GradwireError('E_CONFIG', `a score is a finite number; got ${String(value)}`);
    if (!Number.isSafeInteger(version) || version < 0)
      throw new GradwireError('E_CONFIG', `a score is of a version, an integer from 0; got ${String(version)}`);
    const best = this.#score?.best;
    this.#score = { value, version, best: best === undefined || value >= best.value ? { value, version } : best };
  }

  /** A rollback is under way: nothing is published before it is done. Throws `E_BUSY` where another is. */
  begin(to: number): void {
    if (this.#rollingBackTo !== undefined) {
      const text = `a rollback to version ${this.#rollingBackTo} is under way; wait for its end`;
      throw new GradwireError('E_BUSY', text, { retryable: true, retryAfterMs: 1000 });
    }
    this.#rollingBackTo = to;
  }

  /** A rollback came to nothing; one that the guard asked for leaves everything held. */
  fail({ by, reason }: Pick<Hold, 'by' | 'reason'>): void {
    this.#rollingBackTo = undefined;
    if (by === 'guard') this.#sticky = { by, reason };
    else if (this.#sticky === undefined && this.#passing === undefined) this.release();
  }

  /** What is published with a step; undefined where it is held back. */
  pass(step: Step<Name, Admitted<Name>>): Step<Name, Admitted<Name>> | undefined {
    const { checked } = step.batch;
    if (checked instanceof Rollback) return this.#rolledBack(step, checked);
    const { guard } = this.#options;
    // what is going to be undone is nobody's to judge
    if (guard !== undefined && this.#rollingBackTo === undefined) this.#ask(guard, step);
    if (this.held !== null) {
      this.#back.add(step);
      return undefined;
    }
    return this.#take(step);
  }

  #ask(guard: Guard, step: Step<Name, Admitted<Name>>): void {
    this.#passing = undefined;
    try {
      const { hold, rollback } = readAnswer(
        guard(statisticsOf(step, { score: this.#score, held: this.held, published: this.#back.from })),
      );
      if (hold !== undefined) this.#passing = { by: 'guard', reason: hold };
      if (rollback === undefined) return;
      this.begin(rollback);
      this.#options.onRollback?.(rollback);
    } catch (error) {
      this.#passing = { by: 'guard', reason: `the guard failed: ${String(error)}` };
      this.#options.onError?.(error);
    }
  }

  #rolledBack(step: Step<Name, Admitted<Name>>, { to }: Rollback<Name>): Step<Name, Admitted<Name>> {
    this.#sticky = undefined;
    this.#rollingBackTo = undefined;
    // what was scored last is undone; what was best stays so, under its new version where this is it
    const { best } = this.#score ?? {};
    if (best !== undefined) {
      const moved = best.version === to ? { ...best, version: step.version } : best;
      this.#score = { ...moved, best: moved };
    }
    return this.#take(step);
  }

  #take(step: Step<Name, Admitted<Name>>): Step<Name, Admitted<Name>> {
    this.#passing = undefined;
    if (this.#back.last === undefined) {
      this.#back = new HeldBack(step.version);
      return step;
    }
    this.#back.add(step);
    return this.#open() as Step<Name, Admitted<Name>>;
  }

  #open(): Step<Name, Admitted<Name>> | undefined {
    this.#passing = undefined;
    const merged = this.#back.merged();
    if (merged !== undefined) this.#back = new HeldBack(merged.version);
    return merged;
  }
}
