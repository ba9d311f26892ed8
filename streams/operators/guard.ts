// The guard: a user's hook that sees each step before it is published, what it is told, and what it may answer.
import { GradwireError } from '../../src/errors.ts';
import type { Admitted, Step } from './flow.ts';

/** How good the weights of a version are, as the user says: the higher the better. */
export interface Scored {
  readonly value: number;
  /** The published version that was scored. */
  readonly version: number;
}

/** The newest score, and the best. */
export interface Score extends Scored {
  readonly best: Scored;
}

/** What a guard is told of a step. Plain data. */
export interface StepStatistics {
  /** The version that the step made. */
  readonly version: number;
  /** The version that replicas hold. */
  readonly published: number;
  /** Norm of the gradient before clipping, within 1e-5 where no norm clips. */
  readonly gradientNorm: number;
  /** Norm of what the parameters moved, within 1e-5 from 1e-15 to 1.8e19. */
  readonly updateNorm: number;
  /** What the gradient was multiplied by to keep a norm within its limit, 1 where nothing was. */
  readonly clipFactor: number;
  readonly learningRate: number;
  /** Whether a dynamic loss scale left the batch out. */
  readonly skipped: boolean;
  /** Whether the parameters moved: not while gradients are accumulated. */
  readonly updated: boolean;
  /** Who made the batch. */
  readonly producer: string;
  /** How many versions the weights that it was computed on were behind. */
  readonly staleness: number;
  /** The mean loss of its examples and their number, where it says so. */
  readonly loss: number | undefined;
  readonly examples: number | undefined;
  /** What `trainer.score` was told; undefined before that. */
  readonly score: Score | undefined;
  /** Why publication is held already, null where it is not. */
  readonly held: string | null;
}

/** Publish the step with all that was held back (undefined too), hold it back for now, or go back to a version. */
export type GuardAnswer = 'publish' | 'hold' | { readonly hold: string } | { readonly rollback: number } | undefined;

/** Called with each step in its turn, before it is published; it answers at once. One that throws holds the step back. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook that only looks returns nothing
export type Guard = (statistics: StepStatistics) => GuardAnswer | void;

/** What a guard is told of a step. */
export function statisticsOf<Name extends string>(
  { version, batch, gradientNorm, updateNorm, clipFactor, learningRate, skipped, updated }: Step<Name, Admitted<Name>>,
  { score, held, published }: { score: Score | undefined; held: { readonly reason: string } | null; published: number },
): StepStatistics {
  const { producer, base, loss, examples } = batch.header;
  const step = { version, published, gradientNorm, updateNorm, clipFactor, learningRate, skipped, updated };
  return { ...step, producer, staleness: version - 1 - base, loss, examples, score, held: held?.reason ?? null };
}

/** What an answer asks for. Throws `E_CONFIG` for what cannot be meant, as a promise. */
export function readAnswer(answer: unknown): { readonly hold?: string; readonly rollback?: number } {
  if (answer === undefined || answer === 'publish') return {};
  if (answer === 'hold') return { hold: 'the guard holds' };
  const { hold, rollback } = (answer ?? {}) as { hold?: unknown; rollback?: unknown };
  if (typeof hold === 'string' && rollback === undefined) return { hold };
  if (Number.isSafeInteger(rollback) && (rollback as number) >= 0 && hold === undefined) return { rollback: rollback as number };
  const expected = '"publish", "hold", { hold: reason } or { rollback: version }';
  throw new GradwireError('E_CONFIG', `a guard answers ${expected}, at once; got ${describe(answer)}`);
}

function describe(answer: unknown): string {
  if (answer instanceof Promise) return 'a promise';
  return typeof answer === 'object' ? (JSON.stringify(answer) ?? 'an object').slice(0, 100) : String(answer);
}
