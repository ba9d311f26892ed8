// The names of `gradwire/tfjs`: TF.js variables in and out, gradients, and an optimizer; `tf` is the caller's, always an argument.

export { type LayersFiles, modelOfSafetensors, safetensorsOfModel } from './artifacts/convert.ts';
export { assignTo, type Weighted } from './assign-to.ts';
export { gradientsOf } from './gradients-of.ts';
export type { Examples, TfMath, TfTensors, TfTrainable } from './model-loss.ts';
export type { TfRMSpropConfig, TfRMSpropOptions } from './optimizer/options.ts';
export { type TfRMSprop, type TfRMSpropFace, type TfUpdate, type TfWeightsInput, tfRMSprop } from './optimizer/rmsprop.ts';
export type { Source } from './pulled.ts';
export type {
  TensorFlow,
  TfModel,
  TfNamedTensor,
  TfOptimizer,
  TfTensor,
  TfVariable,
  TfWeight,
} from './tensorflow.ts';
export { type TrainFromOptions, type TrainingWorker, trainFrom } from './train-from.ts';
export { fromModel, layoutOf, type Variables } from './variables.ts';
