// A batch against its model: names, shapes, row indices, and that every value is finite and in range.
import { GradwireError, quote } from '../errors.ts';
import { finite } from '../floats.ts';
import type { Layout, TensorSpec } from '../layout.ts';
import { known } from '../tensors.ts';
import { type Batch, type GradientRecord, isBatch, isRows } from './batch.ts';
import { isAscending, sumDuplicates } from './rows.ts';
import { checkNorm, checkValues } from './values.ts';

/** The gradient of one tensor after the checks: all its values, or those of `rows`, ascending and without duplicates. */
export interface TensorGradient<Name extends string = string> {
  readonly tensor: TensorSpec<Name>;
  readonly rows: Int32Array | undefined;
  /** `tensor.length` floats, or `rows.length × tensor.rowLength`. */
  readonly values: Float32Array;
}

/** A batch that fits its model: its tensors in layout order. Made by {@link gradientsOf} and {@link checkGradients} alone. */
export class Gradients<Name extends string = string> {
  readonly layout: Layout<Name>;
  readonly tensors: readonly TensorGradient<Name>[];
  /** What the learning rate of the step that folds them is multiplied by: above 0 and at most 1; 1 unless told. */
  readonly rateFactor: number;

  /** @internal */
  constructor(layout: Layout<Name>, tensors: readonly TensorGradient<Name>[], rateFactor: number = 1) {
    this.layout = layout;
    this.tensors = tensors;
    this.rateFactor = rateFactor;
  }

  /** The same gradients, views too, under another {@link rateFactor}. Throws `E_CONFIG` unless it is above 0 and at most 1. */
  withRateFactor(rateFactor: number): Gradients<Name> {
    if (rateFactor > 0 && rateFactor <= 1) return new Gradients(this.layout, this.tensors, rateFactor);
    throw new GradwireError('E_CONFIG', `the factor of a learning rate is a number > 0, at most 1; got ${String(rateFactor)}`);
  }

  /** The values as a caller would hand them in: views, by name. */
  toRecord(): GradientRecord<Name> {
    const entries = this.tensors.map(({ tensor, rows, values }) => [tensor.name, rows === undefined ? values : { rows, values }]);
    return Object.fromEntries(entries) as GradientRecord<Name>;
  }
}

/** What a check may be told. */
export interface CheckOptions {
  /** Largest |g| taken, 1e9 unless told: the square of a value from 1.8e19 overflows float32 and would freeze a parameter for ever. */
  readonly maxAbs?: number;
  /** Largest L2 norm of a batch, over all its tensors; no limit unless told. Duplicate rows count as summed. */
  readonly maxNorm?: number;
  /** Whether values that are not finite are left to the optimizer, which skips the batch; no unless told. */
  readonly allowsNotFinite?: boolean;
}

/**
 * A batch that fits `model`, in layout order, duplicate rows summed in their order of appearance. Values are borrowed, not copied.
 *
 * @throws GradwireError `E_BATCH_EMPTY`, `E_BATCH`, `E_UNKNOWN`, `E_SHAPE`, `E_DTYPE`, `E_ROWS`, `E_NONFINITE`, `E_RANGE` or `E_NORM`.
 */
export function checkGradients<Name extends string>(
  model: Layout<Name>,
  record: GradientRecord<Name>,
  options: CheckOptions = {},
): Gradients<Name> {
  return checkedValues(shapeGradients(model, record, options), options);
}

/** {@link checkGradients} of tensors that are there as such, but whose rows may come in any order and more than once. */
export function checkTensors<Name extends string>(
  model: Layout<Name>,
  tensors: readonly TensorGradient<Name>[],
  options: CheckOptions = {},
): Gradients<Name> {
  const shaped = tensors.map((gradient) => {
    const { tensor, rows, values } = gradient;
    return rows === undefined ? gradient : shapeRows(tensor, rows, values, options);
  });
  return checkedValues(inLayoutOrder(model, shaped), options);
}

function checkedValues<Name extends string>(gradients: Gradients<Name>, options: CheckOptions): Gradients<Name> {
  if (options.maxNorm !== undefined) checkNorm(gradients.tensors, options);
  else for (const { tensor, values } of gradients.tensors) checkValues(tensor.name, values, options);
  return gradients;
}

/** As {@link checkGradients}, but for the values: an optimizer finds those that are not finite or too large in its own first pass. */
function shapeGradients<Name extends string>(
  model: Layout<Name>,
  record: GradientRecord<Name>,
  options: CheckOptions = {},
): Gradients<Name> {
  if (typeof record !== 'object' || record === null || ArrayBuffer.isView(record)) {
    throw new GradwireError(
      'E_BATCH',
      `a batch is an object of gradients by tensor name; got ${record === null ? 'null' : typeof record}`,
    );
  }
  const tensors: TensorGradient<Name>[] = [];
  for (const name of Object.keys(record) as Name[]) {
    const gradient = record[name];
    if (gradient !== undefined) tensors.push(shapeTensor(known(model, name), gradient, options));
  }
  return inLayoutOrder(model, tensors);
}

function inLayoutOrder<Name extends string>(model: Layout<Name>, tensors: TensorGradient<Name>[]): Gradients<Name> {
  if (tensors.length === 0) throw new GradwireError('E_BATCH_EMPTY', 'the batch has no gradients; nothing was applied');
  return new Gradients(
    model,
    tensors.sort((a, b) => a.tensor.offset - b.tensor.offset),
  );
}

/** A batch in any of the forms that an optimizer folds: a bare record, a batch with its origin, or one that was checked before. */
export type Foldable<Name extends string = string> =
  | GradientRecord<Name>
  | Batch<Name>
  | Gradients<Name>
  | { readonly checked: Gradients<Name> };

/** The gradients of a batch: those it brings where they are of this very model, else shaped now; values are not looked at. */
export function gradientsOf<Name extends string>(
  model: Layout<Name>,
  batch: Foldable<Name>,
  options?: CheckOptions,
): Gradients<Name> {
  const { checked = batch } = (batch ?? {}) as { checked?: unknown };
  if (checked instanceof Gradients) {
    // without tensors it is a rollback, whose state says for itself whether it fits
    return checked.layout === model || checked.tensors.length === 0
      ? (checked as Gradients<Name>)
      : shapeGradients(model, checked.toRecord() as GradientRecord<Name>, options).withRateFactor(checked.rateFactor);
  }
  const record = batch as GradientRecord<Name> | Batch<Name>;
  return shapeGradients(model, isBatch(record) ? record.gradients : record, options);
}

function shapeTensor<Name extends string>(
  tensor: TensorSpec<Name>,
  gradient: unknown,
  options: CheckOptions,
): TensorGradient<Name> {
  if (gradient instanceof Float32Array) {
    if (gradient.length !== tensor.length) throw wrongLength(tensor, gradient.length, tensor.length, '');
    return { tensor, rows: undefined, values: gradient };
  }
  if (typeof gradient !== 'object' || gradient === null || !isRows(gradient)) {
    const found = Array.isArray(gradient)
      ? 'an array'
      : ArrayBuffer.isView(gradient)
        ? 'a typed array of another type'
        : typeof gradient;
    throw new GradwireError(
      'E_DTYPE',
      `${quote(tensor.name)} is ${found}; a gradient is a Float32Array, or { rows: Int32Array, values: Float32Array }`,
    );
  }
  const { rows, values } = gradient;
  if (!(rows instanceof Int32Array) || !(values instanceof Float32Array)) {
    throw new GradwireError('E_DTYPE', `the rows of ${quote(tensor.name)} are an Int32Array and its values a Float32Array`);
  }
  return shapeRows(tensor, rows, values, options);
}

function shapeRows<Name extends string>(
  tensor: TensorSpec<Name>,
  rows: Int32Array,
  values: Float32Array,
  options: CheckOptions,
): TensorGradient<Name> {
  const { name, shape, rowLength } = tensor;
  if (shape.length === 0) throw new GradwireError('E_ROWS', `${quote(name)} is a scalar and has no rows; nothing was applied`);
  if (values.length !== rows.length * rowLength)
    throw wrongLength(tensor, values.length, rows.length * rowLength, ` for ${rows.length} rows`);
  const stray = rows.findIndex((row) => row < 0 || row >= tensor.rows);
  if (stray >= 0) {
    throw new GradwireError(
      'E_ROWS',
      `${quote(name)} has no row ${rows[stray]} (rows 0 to ${tensor.rows - 1}); nothing was applied`,
    );
  }
  if (isAscending(rows)) return { tensor, rows, values };
  // each by itself, for a sum could hide what is too large; what is not finite stays so
  if (!options.allowsNotFinite || finite(values)) checkValues(name, values, options);
  return { tensor, ...sumDuplicates(rows, values, rowLength) };
}

function wrongLength(tensor: TensorSpec, found: number, expected: number, detail: string): GradwireError {
  const text = `${quote(tensor.name)} has ${found} values, the model's [${tensor.shape}] takes ${expected}${detail}; nothing was applied`;
  return new GradwireError('E_SHAPE', text);
}
