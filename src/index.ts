// The names of `gradwire`: arithmetic and formats, without input or output; they run in every engine.
export { digestOf } from './digest.ts';
export { type ErrorCode, errorCodes, GradwireError } from './errors.ts';
export { decodeGradients, encodeGradients, type GradientsFrame, type GradientsHeader } from './frames/gradients.ts';
export {
  type Dtype,
  deserialize,
  type Pairs,
  type Safetensors,
  type SafetensorsLimits,
  serialize,
  type Tensor,
  type TensorData,
  type TensorInput,
  withMetadata,
} from './frames/safetensors.ts';
export { decodeSnapshot, encodeSnapshot, type Snapshot } from './frames/snapshot.ts';
export type { Position, UpdateHeader } from './frames/update.ts';
export { encodeWeights, type WeightsHeader } from './frames/weights.ts';
export type { Batch, GradientRecord, Rows } from './gradients/batch.ts';
export { checkGradients, type Foldable, Gradients, type TensorGradient } from './gradients/check.ts';
export { type Layout, layout, type Shapes, type TensorSpec } from './layout.ts';
export type { ReplicaCounts, Verdict } from './replica.ts';
export type { Constraint } from './rmsprop/constraints/constraints.ts';
export type { Outcome, Touched } from './rmsprop/fold/fold.ts';
export type { ArenaMemory } from './rmsprop/kernel/arena.ts';
export type { Threads } from './rmsprop/kernel/threads.ts';
export type {
  DynamicLossScale,
  Group,
  Hyperparameters,
  RMSpropConfig,
  RMSpropOptions,
} from './rmsprop/options/hyperparameters.ts';
export type { Preset } from './rmsprop/options/presets.ts';
export { RMSprop, type StepResult } from './rmsprop/rmsprop.ts';
export type { LearningRate, Schedule } from './rmsprop/schedules/schedules.ts';
export type { StateFormat } from './rmsprop/state/exchange.ts';
export type { KerasWeights } from './rmsprop/state/keras-weights.ts';
export type { LossScaleState } from './rmsprop/state/loss-scale.ts';
export { Rollback, type RollbackTarget } from './rmsprop/state/rollback.ts';
export type { RMSpropState, Slots } from './rmsprop/state/state.ts';
export { Replica } from './strict-replica.ts';
export { Tensors } from './tensors.ts';
