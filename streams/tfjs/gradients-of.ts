// gradientsOf: the gradients of a loss by variables, as a batch.
import type { Batch } from '../../src/gradients/batch.ts';
import type { TensorFlow, TfTensor, TfVariable } from './tensorflow.ts';
import { peek } from './values.ts';
import { type Variables, variablesOf } from './variables.ts';

/**
 * A batch with the gradients of `loss()` by the variables, under their names and as arrays of their own, and with the loss. It
 * leaves no tensor behind; what `loss` itself makes and does not return is disposed of with it.
 *
 * A variable that the loss does not depend on is not in the batch; where it depends on none, TF.js throws.
 *
 * @throws GradwireError `E_LAYOUT` or `E_DTYPE` for variables that are none.
 */
export function gradientsOf(tf: TensorFlow, loss: () => TfTensor, variables: Variables): Batch & { readonly loss: number } {
  return namedGradients(tf, loss, variablesOf(variables), ({ name }) => name);
}

/** {@link gradientsOf} under other names. */
export function namedGradients(
  tf: TensorFlow,
  loss: () => TfTensor,
  variables: readonly TfVariable[],
  nameOf: (variable: TfVariable, i: number) => string,
): Batch & { readonly loss: number } {
  const { value, grads } = tf.variableGrads(loss, [...variables]);
  try {
    const present = variables.map((variable, i) => [variable, nameOf(variable, i)] as const).filter(([{ name }]) => grads[name]);
    const gradients = Object.fromEntries(
      present.map(([variable, name]) => [name, new Float32Array(peek(tf, grads[variable.name]))]),
    );
    return { gradients, loss: peek(tf, value)[0] };
  } finally {
    value.dispose();
    for (const gradient of Object.values(grads)) gradient?.dispose();
  }
}
