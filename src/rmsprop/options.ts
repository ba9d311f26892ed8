// The optimizer's hyper-parameters: defaults, checks, and the plain data that getConfig and fromConfig exchange.
import { GradwireError, quote, refuseUnknownOptions } from '../errors.ts';
import { defaultMaxAbs } from '../gradients/check.ts';

/** The hyper-parameters of Keras 2's RMSprop. All are numbers in float64; `rho` and `epsilon` are rounded to float32 once. */
export interface Hyperparameters {
  /** Learning rate, > 0 and at most 1e6, 0.001 unless told. */
  readonly lr: number;
  /** Decay of the mean square, 0 ≤ rho < 1, 0.9 unless told. */
  readonly rho: number;
  /** Added to the root of the mean square, 1e-30 to 1e6, 1e-8 unless told. */
  readonly epsilon: number;
  /** The learning rate of step t is `lr / (1 + decay · t)`; 0 unless told. */
  readonly decay: number;
  /** A batch whose norm over all its tensors reaches this is scaled down to it; no clipping unless told. */
  readonly clipnorm?: number;
  /** Gradients are cut to ±clipvalue, after `clipnorm`; no clipping unless told. */
  readonly clipvalue?: number;
  /**
   * What a batch of rows does to the rows it leaves out. `exact` (default): what the dense batch with zeros there would do.
   * `lazy`: nothing, as in TF1.
   */
  readonly sparse: 'exact' | 'lazy';
  /** Largest |g| taken, 1e9 unless told. */
  readonly maxAbs: number;
}

/** Keras' configuration as plain data. What stands at its default and is not Keras' own is left out. */
export type RMSpropConfig = Pick<Hyperparameters, 'lr' | 'rho' | 'epsilon' | 'decay'> & Partial<Hyperparameters>;

/** What `new RMSprop(model, options)` takes; all of it may be left out. */
export interface RMSpropOptions<Name extends string = string> extends Partial<Hyperparameters> {
  /** Initial parameters by name, as many floats as the tensor has; tensors not named start at 0. Copied. */
  readonly initial?: Partial<Record<Name, Float32Array>>;
  /** The loop that does the arithmetic: `simd` (default) or `scalar`, which gives the same bits slowly. */
  readonly kernel?: 'simd' | 'scalar';
}

const defaults: Hyperparameters = { lr: 0.001, rho: 0.9, epsilon: 1e-8, decay: 0, sparse: 'exact', maxAbs: defaultMaxAbs };
const names = [...Object.keys(defaults), 'clipnorm', 'clipvalue'];

/**
 * Options with defaults filled in and every value checked.
 *
 * @throws GradwireError `E_CONFIG` that names the option, what it is and what it may be.
 */
export function hyperparametersOf<Name extends string>(options: RMSpropOptions<Name>): Hyperparameters {
  refuseUnknownOptions('RMSprop', options, [...names, 'initial', 'kernel']);
  const given = Object.entries(options).filter(([name, value]) => names.includes(name) && value !== undefined && value !== null);
  const all: Hyperparameters = { ...defaults, ...Object.fromEntries(given) };
  const { lr, rho, epsilon, decay, clipnorm, clipvalue, sparse, maxAbs } = all;
  demand('lr', lr, float32(lr) > 0 && lr <= 1e6, 'a number > 0, at most 1e6');
  demand('rho', rho, rho >= 0 && float32(rho) < 1, 'a number from 0 to below 1 in float32');
  demand('epsilon', epsilon, epsilon >= 1e-30 && epsilon <= 1e6, 'a number from 1e-30 to 1e6');
  demand('decay', decay, decay >= 0, 'a finite number >= 0');
  demand('maxAbs', maxAbs, maxAbs > 0 && maxAbs <= 1e15, 'a number > 0, at most 1e15');
  if (clipnorm !== undefined)
    demand(
      'clipnorm',
      clipnorm,
      clipnorm === 0 || (clipnorm >= 1e-30 && clipnorm <= 1e15),
      '0 (off) or a number from 1e-30 to 1e15',
    );
  if (clipvalue !== undefined)
    demand(
      'clipvalue',
      clipvalue,
      clipvalue === 0 || (clipvalue >= 1e-30 && clipvalue <= 1e15),
      '0 (off) or a number from 1e-30 to 1e15',
    );
  if (sparse !== 'exact' && sparse !== 'lazy') throw wrong('sparse', sparse, '"exact" or "lazy"');
  const kernel = options.kernel ?? 'simd';
  if (kernel !== 'simd' && kernel !== 'scalar') throw wrong('kernel', kernel, '"simd" or "scalar"');
  return Object.freeze(all);
}

/** The plain data that JSON keeps and `fromConfig` reads back. */
export function configOf(all: Hyperparameters): RMSpropConfig {
  const { lr, rho, epsilon, decay } = all;
  const further = Object.entries(all).filter(
    ([name, value]) => value !== ({ ...defaults, lr, rho, epsilon, decay } as Record<string, unknown>)[name],
  );
  return { lr, rho, decay, epsilon, ...Object.fromEntries(further) };
}

function float32(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(Math.fround(value)) ? Math.fround(value) : Number.NaN;
}

function demand(name: string, value: unknown, holds: boolean, expected: string): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || !holds) throw wrong(name, value, expected);
}

function wrong(name: string, value: unknown, expected: string): GradwireError {
  const found = typeof value === 'string' ? quote(value) : String(value);
  return new GradwireError('E_CONFIG', `${name} must be ${expected}; got ${found}`);
}
