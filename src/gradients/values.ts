// The values of a batch: finite, within a limit each, and within a limit of their norm.
import { GradwireError, quote } from '../errors.ts';
import { floorBits } from '../floats.ts';
import type { CheckOptions, TensorGradient } from './check.ts';
import { largestBits } from './largest.ts';

/** The default of {@link CheckOptions.maxAbs}. */
export const defaultMaxAbs = 1e9;

/** Throws `E_NONFINITE` or `E_RANGE` where a value of the tensor's gradient is not finite or beyond `maxAbs`. */
export function checkValues(name: string, values: Float32Array, { maxAbs = defaultMaxAbs }: CheckOptions): void {
  if (largestBits(values) > floorBits(maxAbs)) throw wrongValue(name, values, maxAbs);
}

function wrongValue(name: string, values: Float32Array, maxAbs: number): GradwireError {
  const infinite = values.findIndex((value) => !Number.isFinite(value));
  const finite = infinite < 0;
  const place = finite ? values.findIndex((value) => Math.abs(value) > maxAbs) : infinite;
  const count = values.reduce(
    (sum, value) => sum + (finite ? Number(Math.abs(value) > maxAbs) : Number(!Number.isFinite(value))),
    0,
  );
  const where = `${quote(name)}[${place}] is ${values[place]} (${grouped(count)} of ${grouped(values.length)} values)`;
  return finite
    ? new GradwireError('E_RANGE', `${where}, the limit of |g| is ${maxAbs}; nothing was applied`)
    : new GradwireError('E_NONFINITE', `${where}; nothing was applied`);
}

/**
 * {@link checkValues} for all tensors of a batch, with the sum of their squares: float64, in layout order.
 * Throws `E_NORM` where the norm exceeds `maxNorm`, too.
 */
export function checkNorm(tensors: readonly TensorGradient[], options: CheckOptions): void {
  const { maxAbs = defaultMaxAbs, maxNorm = Number.POSITIVE_INFINITY } = options;
  const most = floorBits(maxAbs);
  let squares = 0;
  for (const { tensor, values } of tensors) {
    if (largestBits(values) > most) throw wrongValue(tensor.name, values, maxAbs);
    for (const value of values) squares += value * value;
  }
  const norm = Math.sqrt(squares);
  if (norm <= maxNorm) return;
  throw new GradwireError('E_NORM', `the norm of the gradient is ${norm} (limit ${maxNorm}); nothing was applied`);
}

/** 40000 as 40,000. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
