// Keras' get_gradients over TF.js: a loss by its parameters, clipped as the optimizer would.
import { GradwireError, quote } from '../../../src/errors.ts';
import { gradientsOf as checkedGradients } from '../../../src/gradients/check.ts';
import { layout } from '../../../src/layout.ts';
import { clipped } from '../../../src/rmsprop/fold/clipped.ts';
import type { RMSpropOptions } from '../../../src/rmsprop/options/hyperparameters.ts';
import type { TensorFlow, TfTensor, TfVariable } from '../tensorflow.ts';
import { peek, tensorOf } from '../values.ts';
import { type Variables, variablesOf } from '../variables.ts';

/** A loss and its gradients as tensors by the variables' names. */
interface GradientTensors {
  readonly value: number;
  readonly gradients: ReadonlyMap<string, TfTensor>;
  dispose(): void;
}

/** Computes them. Throws `E_BATCH` where the loss does not depend on one of the variables. */
export function gradientTensors(tf: TensorFlow, loss: () => TfTensor, variables: readonly TfVariable[]): GradientTensors {
  const { value, grads } = tf.variableGrads(loss, [...variables]);
  const dispose = (): void => {
    value.dispose();
    for (const gradient of Object.values(grads)) gradient?.dispose();
  };
  const lost = variables.find(({ name }) => !grads[name]);
  if (lost === undefined)
    return { value: peek(tf, value)[0], gradients: new Map(variables.map(({ name }) => [name, grads[name]])), dispose };
  dispose();
  throw new GradwireError(
    'E_BATCH',
    `the loss does not depend on ${quote(lost.name)}, or it is not trainable; nothing was applied`,
  );
}

/** Gradients in the order of `params`, unscaled and clipped; the caller disposes of them. */
export function clippedGradients(
  tf: TensorFlow,
  options: RMSpropOptions,
  { loss, params, lossScale }: { readonly loss: () => TfTensor; readonly params: Variables; readonly lossScale: number },
): TfTensor[] {
  const variables = variablesOf(params);
  const { gradients, dispose } = gradientTensors(tf, loss, variables);
  try {
    const model = layout(variables.map(({ name, shape }) => [name, [...shape]] as const));
    const record = Object.fromEntries(
      variables.map(({ name }) => [name, new Float32Array(peek(tf, gradients.get(name) as TfTensor))]),
    );
    const { tensors } = checkedGradients(model, record);
    const values = clipped(model, options, tensors, lossScale);
    const byName = new Map(tensors.map(({ tensor }, i) => [tensor.name as string, values[i]]));
    return variables.map(({ name, shape }) => tensorOf(tf, byName.get(name) as Float32Array, shape));
  } finally {
    dispose();
  }
}
