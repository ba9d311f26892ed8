// assignTo: a tap that writes the weights of whatever passes into TF.js variables, one whole version at a time.
import { defer, type MonoTypeOperatorFunction, tap } from 'rxjs';
import { GradwireError } from '../../src/errors.ts';
import type { Layout } from '../../src/layout.ts';
import type { Tensors } from '../../src/tensors.ts';
import type { TensorFlow, TfVariable } from './tensorflow.ts';
import { assignAll } from './values.ts';
import { matched, type Variables, variablesOf } from './variables.ts';

/** What has weights: a replica, what its `updates$` emit, and a publication. */
export interface Weighted {
  readonly weights: Tensors;
}

/**
 * Writes the weights of each value that passes into the variables, all of them in one synchronous turn, and passes it on
 * unchanged: `replica.updates$.pipe(startWith(replica), assignTo(tf, model))`.
 *
 * Tensors and variables meet by name, or where the names differ by order, with the same shapes. Variables that the weights do not
 * name stay as they are; a replica that has no weights yet is passed on. It holds no tensors.
 *
 * @throws GradwireError `E_LAYOUT` or `E_DTYPE` for variables that are none, here; the stream errs with `E_LAYOUT` where the
 *   weights do not fit them, before anything is written.
 */
export function assignTo<Input extends Weighted>(tf: TensorFlow, variables: Variables): MonoTypeOperatorFunction<Input> {
  variablesOf(variables);
  return (source) =>
    defer(() => {
      let model: Layout | undefined;
      let targets: TfVariable[] = [];
      return source.pipe(
        tap((value) => {
          const { weights } = value;
          if (weights?.layout === undefined)
            throw new GradwireError('E_LAYOUT', 'assignTo takes what has weights: a replica, its updates, a publication');
          if (weights.layout.length === 0) return;
          // the layout is another object where a replica starts over with another model
          if (weights.layout !== model) targets = matched(weights.layout, variablesOf(variables));
          model = weights.layout;
          assignAll(
            tf,
            model.tensors.map(({ name }, i) => [targets[i], weights.get(name)] as const),
          );
        }),
      );
    });
}
