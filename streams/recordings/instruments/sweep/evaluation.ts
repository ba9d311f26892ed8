// A user's evaluation: a module that says how good weights are.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GradwireError, quote } from '../../../../src/errors.ts';
import type { RMSpropConfig } from '../../../../src/rmsprop/options/hyperparameters.ts';
import type { Tensors } from '../../../../src/tensors.ts';

/** Which of two numbers is the better one. */
export type Better = 'lower' | 'higher';

/** What an evaluation is told beside the weights. */
export interface EvaluationInfo {
  /** The version that the weights are of. */
  readonly version: number;
  /** The configuration that they were folded under. */
  readonly optimizer: RMSpropConfig;
}

/** How good weights are; the weights are copies, by name. */
export type Evaluate = (weights: ReadonlyMap<string, Float32Array>, info: EvaluationInfo) => number | Promise<number>;

/** A module's evaluation. */
export interface Evaluation {
  readonly evaluate: Evaluate;
  readonly better: Better;
}

/** The URL of a module that a path or a URL names. */
export function moduleUrl(module: string | URL): string {
  if (module instanceof URL || module.startsWith('file:')) return String(module);
  return pathToFileURL(resolve(module)).href;
}

/**
 * Loads a module whose default export, or `evaluate`, is an {@link Evaluate}; its `better` is `'lower'` unless it says `'higher'`.
 *
 * @throws GradwireError `E_FILE` where it cannot be loaded, `E_CONFIG` where it is none.
 */
export async function loadEvaluation(url: string): Promise<Evaluation> {
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(url);
  } catch (cause) {
    throw new GradwireError('E_FILE', `cannot load the evaluation ${quote(url)}: ${messageOf(cause)}`, { cause });
  }
  const evaluate = typeof module.default === 'function' ? module.default : module.evaluate;
  const { better = 'lower' } = module;
  if (typeof evaluate !== 'function')
    throw new GradwireError('E_CONFIG', `${quote(url)} must export a function, as default or as evaluate`);
  if (better !== 'lower' && better !== 'higher')
    throw new GradwireError('E_CONFIG', `better must be "lower" or "higher"; ${quote(url)} exports ${quote(String(better))}`);
  return { evaluate: evaluate as Evaluate, better };
}

/** The evaluation of weights. Throws `E_EVALUATION` where it throws, or gives no number. */
export async function evaluated({ evaluate }: Evaluation, weights: Tensors, info: EvaluationInfo): Promise<number> {
  let value: unknown;
  try {
    value = await evaluate(new Map(weights.layout.tensors.map(({ name }) => [name, weights.copy(name)])), info);
  } catch (cause) {
    throw new GradwireError('E_EVALUATION', `the evaluation failed at version ${info.version}: ${messageOf(cause)}`, { cause });
  }
  if (typeof value === 'number') return value;
  throw new GradwireError(
    'E_EVALUATION',
    `the evaluation must give a number; at version ${info.version} it gave ${typeof value}`,
  );
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
}
