// An optimizer for more variables than another, which it takes over whole: variables may come to a training late.
import { layout } from '../../../src/layout.ts';
import type { RMSpropOptions } from '../../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../../src/rmsprop/rmsprop.ts';
import type { RMSpropState } from '../../../src/rmsprop/state/state.ts';
import type { TfVariable } from '../tensorflow.ts';

/** The optimizer with further tensors, at the version of the one before; `options.initial` has the parameters of the new ones. */
export function grown(before: RMSprop, variables: readonly TfVariable[], options: RMSpropOptions): RMSprop {
  const shapes = [...before.layout.tensors, ...variables].map(({ name, shape }) => [name, [...shape]] as const);
  const after = new RMSprop(layout(shapes), options);
  if (before.version > 0) after.restore(moved(before, after));
  else for (const [name, values] of before.parameters) after.parameters.get(name).set(values);
  return after;
}

// the fresh state of the new optimizer, with every value that the old one has at its new place
function moved(before: RMSprop, after: RMSprop): RMSpropState {
  const old = before.state();
  const fresh = after.state();
  for (const name of ['parameters', 'accumulator', 'meanGradient', 'momentum', 'average', 'gradientSum'] as const) {
    const from = old[name];
    const to = fresh[name];
    if (from === undefined || to === undefined) continue;
    for (const { name: tensor, offset, length } of before.layout.tensors)
      to.set(from.subarray(offset, offset + length), after.layout.get(tensor)?.offset ?? 0);
  }
  const { version, skipped, lossScale, accumulating } = old;
  return { ...fresh, version, skipped, lossScale, accumulating };
}
