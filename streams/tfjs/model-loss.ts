// The loss of a compiled layers model over examples, as `model.fit` computes it: the mean of each output's, and the regularizers'.
import { GradwireError } from '../../src/errors.ts';
import type { TensorFlow, TfModel, TfTensor } from './tensorflow.ts';

/** One or more tensors: one for each input or output of the model. */
export type TfTensors = TfTensor | readonly TfTensor[];

/** Inputs and targets of one mini-batch; their first dimension counts the examples. */
export type Examples = { readonly xs: TfTensors; readonly ys: TfTensors } | readonly [xs: TfTensors, ys: TfTensors];

/** A compiled `tf.LayersModel`, by what of it is used here. */
export interface TfTrainable extends TfModel {
  apply(inputs: unknown, options: { readonly training: boolean }): unknown;
}

/** The further parts of TF.js that a loss needs; both take tensors of that TF.js. */
export interface TfMath {
  mean(values: never): TfTensor;
  add(a: never, b: never): TfTensor;
}

interface Compiled {
  readonly lossFunctions?: readonly ((targets: TfTensor, outputs: TfTensor) => TfTensor)[];
  readonly model?: Compiled;
  calculateLosses?(): readonly TfTensor[];
}

/** Inputs and targets of examples. Throws `E_BATCH` for what are none. */
export function readExamples(examples: Examples): { readonly xs: readonly TfTensor[]; readonly ys: readonly TfTensor[] } {
  const { xs, ys } = Array.isArray(examples)
    ? { xs: examples[0] as TfTensors, ys: examples[1] as TfTensors }
    : (examples as { xs: TfTensors; ys: TfTensors });
  if (xs === undefined || ys === undefined || xs === null || ys === null)
    throw new GradwireError('E_BATCH', 'examples are { xs, ys } or [xs, ys], tensors or lists of them');
  return { xs: [xs].flat() as TfTensor[], ys: [ys].flat() as TfTensor[] };
}

/** The loss of the model over inputs and targets. Throws `E_CONFIG` where the model was not compiled. */
export function modelLoss(
  tf: TensorFlow & TfMath,
  model: TfTrainable,
): (xs: readonly TfTensor[], ys: readonly TfTensor[]) => TfTensor {
  const outer = model as unknown as Compiled;
  // a sequential model keeps them in the model inside it
  const compiled = outer.lossFunctions === undefined ? outer.model : outer;
  const losses = compiled?.lossFunctions;
  if (compiled === undefined || losses === undefined || losses.length === 0)
    throw new GradwireError('E_CONFIG', 'the model has no loss; compile it, or give trainFrom a loss');
  return (xs, ys) => {
    const outputs = [model.apply(xs.length === 1 ? xs[0] : xs, { training: true })].flat() as TfTensor[];
    const means = losses.map((loss, i) => tf.mean(loss(ys[i], outputs[i]) as never));
    return [...means, ...(compiled.calculateLosses?.() ?? [])].reduce((sum, each) => tf.add(sum as never, each as never));
  };
}
