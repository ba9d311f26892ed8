// What a caller hands in: the gradients of one mini-batch, by name, and what is known about them.

/** Gradients of some rows of a tensor: `values` holds `rows.length × rowLength` floats, row after row. Duplicate rows are summed. */
export interface Rows {
  readonly rows: Int32Array;
  readonly values: Float32Array;
}

/** Gradients by tensor name: dense (as many floats as the tensor, row-major) or {@link Rows}. Some of the tensors, in any order. */
export type GradientRecord<Name extends string = string> = { readonly [name in Name]?: Float32Array | Rows };

/** The gradients of one mini-batch with their origin. */
export interface Batch<Name extends string = string> {
  readonly gradients: GradientRecord<Name>;
  /** The version of the weights that the gradients were computed on. */
  readonly base?: number;
  /** How many examples the batch was made of. */
  readonly examples?: number;
  /** The mean loss of those examples. */
  readonly loss?: number;
  /** When the batch was made: milliseconds since 1970. A label only; nothing is decided by it. */
  readonly time?: number;
  /** Who made it; with `producerEpoch` and `sequence` its identity, by which a resend is recognized. */
  readonly producer?: string;
  /** A higher one fences lower ones of the same producer. */
  readonly producerEpoch?: number;
  /** The batch's number within its producer and epoch. */
  readonly sequence?: number;
}

/** Whether a value is a {@link Batch} rather than a bare record: its `gradients` is a record, not a tensor of that name. */
export function isBatch<Name extends string>(batch: GradientRecord<Name> | Batch<Name>): batch is Batch<Name> {
  const inner = (batch as Batch<Name> | null)?.gradients as unknown;
  return typeof inner === 'object' && inner !== null && !ArrayBuffer.isView(inner) && !isRows(inner);
}

/** Whether a value has the form of {@link Rows}. */
export function isRows(value: object): value is Rows {
  return ArrayBuffer.isView((value as Rows).rows) && ArrayBuffer.isView((value as Rows).values);
}
