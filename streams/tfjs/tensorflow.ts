// What gradwire uses of TensorFlow.js, by its form: any build of it fits, and a user without its types compiles.

/** A tensor. */
export interface TfTensor {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly dataId: object;
  dataSync(): ArrayLike<number>;
  data(): Promise<ArrayLike<number>>;
  dispose(): void;
}

/** A `tf.Variable`. */
export interface TfVariable extends TfTensor {
  readonly name: string;
  readonly trainable: boolean;
  assign(value: TfTensor): void;
}

/** A weight of a layers model, as `model.weights` has them. */
export interface TfWeight {
  readonly name: string;
  read(): TfTensor;
}

/** A `tf.LayersModel`. */
export interface TfModel {
  readonly trainableWeights: readonly TfWeight[];
}

/** A tensor by its name, as TF.js' optimizers take and give them. */
export interface TfNamedTensor {
  readonly name: string;
  readonly tensor: TfTensor;
}

/** A `tf.Optimizer`, without what is protected in it. */
export interface TfOptimizer {
  minimize(loss: () => TfTensor, returnCost?: boolean, variables?: TfVariable[]): TfTensor | null;
  dispose(): void;
}

/** TF.js' engine. */
interface TfEngine {
  readonly registeredVariables: Readonly<Record<string, TfVariable>>;
}

/** TensorFlow.js: `tf` of tfjs, tfjs-node, tfjs-node-gpu or a CDN's global. */
export interface TensorFlow {
  readonly Optimizer: abstract new () => TfOptimizer;
  readonly serialization: { registerClass(type: unknown): unknown };
  tensor(values: Float32Array | Int32Array, shape: number[], dtype: 'float32' | 'int32'): TfTensor;
  variableGrads(
    loss: () => TfTensor,
    variables?: TfVariable[],
  ): { readonly value: TfTensor; readonly grads: Readonly<Record<string, TfTensor>> };
  engine(): TfEngine;
  backend(): object;
}
