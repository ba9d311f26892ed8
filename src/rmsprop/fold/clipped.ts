// The gradients that an update would take: unscaled and clipped, as copies, with nothing folded.
import type { TensorGradient } from '../../gradients/check.ts';
import type { Layout } from '../../layout.ts';
import { blockLength } from '../kernel/control.ts';
import { partsOf } from '../options/groups.ts';
import type { RMSpropOptions } from '../options/hyperparameters.ts';
import { hyperparametersOf } from '../options/options.ts';
import { clippingOf } from './clipping.ts';

const f32 = Math.fround;

/**
 * Dense gradients of a model, in layout order, divided by `lossScale` and clipped as these options say: steps 2 and 4 of
 * docs/SEMANTICS.md, by the bit. Those of frozen groups are copied alone.
 *
 * @throws GradwireError `E_CONFIG` for the options.
 */
export function clipped<Name extends string>(
  model: Layout<Name>,
  options: RMSpropOptions<Name>,
  gradients: readonly TensorGradient<Name>[],
  lossScale: number,
): Float32Array[] {
  const all = hyperparametersOf(options);
  const parts = new Map(partsOf(model, all).map((part, i) => [model.tensors[i], part]));
  const copies = gradients.map(({ tensor, values }) => {
    const part = parts.get(tensor);
    const isFrozen = part === undefined || part.frozen;
    return { part: isFrozen ? undefined : part, values: values.map((g) => (isFrozen ? g : f32(g / lossScale))) };
  });
  const moving = copies.flatMap(({ part, values }) => (part === undefined ? [] : [{ part, values, sum: sumOfSquares(values) }]));
  const scalings = clippingOf(all)?.(moving);
  for (const [i, { part, values }] of moving.entries()) {
    const scaling = scalings?.[i];
    const limit = part.clipvalue;
    for (let j = 0; j < values.length; j++) {
      if (scaling !== undefined) values[j] = f32(f32(values[j] * scaling.limit) / scaling.norm);
      if (limit > 0) values[j] = Math.min(Math.max(values[j], -limit), limit);
    }
  }
  return copies.map(({ values }) => values);
}

// the order of docs/SEMANTICS.md, Clipping
function sumOfSquares(values: Float32Array): number {
  let sum = 0;
  for (let start = 0; start < values.length; start += blockLength) {
    const lanes = new Float64Array(8);
    const end = Math.min(start + blockLength, values.length);
    for (let i = start; i < end; i++) lanes[(i - start) % 8] += values[i] * values[i];
    const [l0, l1, l2, l3, l4, l5, l6, l7] = lanes;
    sum += l0 + l4 + (l2 + l6) + (l1 + l5 + (l3 + l7));
  }
  return sum;
}
