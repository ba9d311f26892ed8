// The encodings by name, and what may be said of them: all that a reader of updates needs.

/** The names of the encodings. */
export const encodingNames = ['f32', 'f16', 'bf16', 'int8', 'topk'] as const;

/** `f32` is lossless; the others round, and what they round off follows later. */
export type EncodingName = (typeof encodingNames)[number];

/** Which encoding, and how. */
export interface EncodingOptions {
  /** `f32` unless told. */
  readonly encoding?: EncodingName;
  /** `topk`: the share of a tensor's values that is sent at a time, above 0 up to 1; 0.01 unless told. */
  readonly share?: number;
  /** `int8`: the most values that share a scale; 512 unless told. */
  readonly blockLength?: number;
}

/** The names of {@link EncodingOptions}. */
export const encodingOptionNames: readonly string[] = ['encoding', 'share', 'blockLength'];
