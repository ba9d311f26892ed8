// The safetensors format: reading, writing and stamping buffers of named tensors.
export type { Dtype, TensorData } from './safetensors/dtype.ts';
export { type SafetensorsLimits, safetensorsLimits } from './safetensors/limits.ts';
export type { Pairs } from './safetensors/pairs.ts';
export { deserialize, type Safetensors, type Tensor } from './safetensors/read.ts';
export { withMetadata, withMetadataInParts, withoutMetadata } from './safetensors/stamp.ts';
export { serialize, serializeInSlices, serializeOpened, type TensorInput } from './safetensors/write.ts';
