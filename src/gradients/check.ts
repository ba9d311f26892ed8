// A batch against its model: names, shapes, row indices, and that every value is finite and in range.
import { GradwireError, quote } from '../errors.ts';
import { bitsOf, finite, floor32 } from '../floats.ts';
import type { Layout, TensorSpec } from '../layout.ts';
import { known } from '../tensors.ts';
import { type Batch, type GradientRecord, isBatch, isRows } from './batch.ts';
import { isAscending, sumDuplicates } from './rows.ts';

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

  /** @internal */
  constructor(layout: Layout<Name>, tensors: readonly TensorGradient<Name>[]) {
    this.layout = layout;
    this.tensors = tensors;
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
  /** Whether values that are not finite are left to the optimizer, which skips the batch; no unless told. */
  readonly allowsNotFinite?: boolean;
}

/** The default of {@link CheckOptions.maxAbs}. */
export const defaultMaxAbs = 1e9;

/**
 * A batch that fits `model`, in layout order, duplicate rows summed in their order of appearance. Values are borrowed, not copied.
 *
 * @throws GradwireError `E_BATCH_EMPTY`, `E_BATCH`, `E_UNKNOWN`, `E_SHAPE`, `E_DTYPE`, `E_ROWS`, `E_NONFINITE` or `E_RANGE`.
 */
export function checkGradients<Name extends string>(
  model: Layout<Name>,
  record: GradientRecord<Name>,
  options: CheckOptions = {},
): Gradients<Name> {
  const gradients = shapeGradients(model, record, options);
  for (const { tensor, values } of gradients.tensors) checkValues(tensor.name, values, options);
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
      : shapeGradients(model, checked.toRecord() as GradientRecord<Name>, options);
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

/** Throws `E_NONFINITE` or `E_RANGE` where a value of the tensor's gradient is not finite or beyond `maxAbs`. */
export function checkValues(name: string, values: Float32Array, { maxAbs = defaultMaxAbs }: CheckOptions): void {
  const bits = bitsOf(values);
  const [most] = bitsOf(Float32Array.of(floor32(maxAbs)));
  for (let i = 0; i < bits.length; i++) {
    if ((bits[i] & 0x7fff_ffff) > most) throw wrongValue(name, values, i, maxAbs);
  }
}

function wrongValue(name: string, values: Float32Array, first: number, maxAbs: number): GradwireError {
  const infinite = values.findIndex((value) => !Number.isFinite(value));
  const finite = infinite < 0;
  const place = finite ? first : infinite;
  const count = values.reduce(
    (sum, value) => sum + (finite ? Number(Math.abs(value) > maxAbs) : Number(!Number.isFinite(value))),
    0,
  );
  const where = `${quote(name)}[${place}] is ${values[place]} (${grouped(count)} of ${grouped(values.length)} values)`;
  return finite
    ? new GradwireError('E_RANGE', `${where}, the limit of |g| is ${maxAbs}; nothing was applied`)
    : new GradwireError('E_NONFINITE', `${where}; nothing was applied`);
}

function wrongLength(tensor: TensorSpec, found: number, expected: number, detail: string): GradwireError {
  const text = `${quote(tensor.name)} has ${found} values, the model's [${tensor.shape}] takes ${expected}${detail}; nothing was applied`;
  return new GradwireError('E_SHAPE', text);
}

/** 40000 as 40,000. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
