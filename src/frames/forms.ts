// The forms a tensor takes inside a frame: dense under its name, or some of its rows as `name#rows` and `name#values`.
import { GradwireError, quote } from '../errors.ts';
import type { TensorGradient } from '../gradients/check.ts';
import type { Layout, TensorSpec } from '../layout.ts';
import { known } from '../tensors.ts';
import type { Tensor } from './safetensors.ts';

/** Values of a tensor, or of some of its rows: the same shape of thing for gradients and for updates. */
export type Form<Name extends string = string> = TensorGradient<Name>;

/** A frame's tensors for these forms, in their order. */
export function entriesOf(forms: readonly Form[]): [string, Tensor][] {
  const entries: [string, Tensor][] = [];
  for (const { tensor, rows, values } of forms) {
    if (rows === undefined) entries.push([tensor.name, { dtype: 'F32', shape: tensor.shape, data: values }]);
    else {
      entries.push([`${tensor.name}#rows`, { dtype: 'I32', shape: [rows.length], data: rows }]);
      entries.push([`${tensor.name}#values`, { dtype: 'F32', shape: [rows.length, ...tensor.shape.slice(1)], data: values }]);
    }
  }
  return entries;
}

/**
 * The forms that a frame's tensors have, checked against the model by name, dtype and shape; row indices by range.
 * Rows stay in the frame's order. Values are views of the frame.
 *
 * @throws GradwireError `E_UNKNOWN`, `E_SHAPE`, `E_DTYPE`, `E_ROWS` or `E_BATCH`.
 */
export function formsIn<Name extends string>(tensors: ReadonlyMap<string, Tensor>, model: Layout<Name>): Form<Name>[] {
  const forms: Form<Name>[] = [];
  for (const [key, value] of tensors) {
    const [name, part] = split(key);
    const tensor = known(model, name);
    if (part === undefined) forms.push(denseForm(tensor, value, tensors));
    else if (part === 'values') forms.push(rowsForm(tensor, value, tensors));
    else if (part !== 'rows')
      throw new GradwireError('E_BATCH', `${quote(key)}: a tensor's parts are #rows and #values; nothing was applied`);
    else if (!tensors.has(`${name}#values`))
      throw new GradwireError('E_BATCH', `${quote(key)} comes without #values; nothing was applied`);
  }
  return forms;
}

function denseForm<Name extends string>(
  tensor: TensorSpec<Name>,
  value: Tensor,
  tensors: ReadonlyMap<string, Tensor>,
): Form<Name> {
  if (tensors.has(`${tensor.name}#values`))
    throw new GradwireError('E_BATCH', `${quote(tensor.name)} is dense and rows at once; nothing was applied`);
  demandShape(tensor.name, value, tensor.shape);
  return { tensor, rows: undefined, values: float32(tensor.name, value) };
}

function rowsForm<Name extends string>(
  tensor: TensorSpec<Name>,
  value: Tensor,
  tensors: ReadonlyMap<string, Tensor>,
): Form<Name> {
  const indices = tensors.get(`${tensor.name}#rows`);
  if (indices === undefined)
    throw new GradwireError('E_BATCH', `${quote(`${tensor.name}#values`)} comes without #rows; nothing was applied`);
  if (tensor.shape.length === 0)
    throw new GradwireError('E_ROWS', `${quote(tensor.name)} is a scalar and has no rows; nothing was applied`);
  if (indices.shape.length !== 1)
    throw new GradwireError('E_SHAPE', `${quote(`${tensor.name}#rows`)} must have one dimension; nothing was applied`);
  demandShape(`${tensor.name}#values`, value, [indices.shape[0], ...tensor.shape.slice(1)]);
  return { tensor, rows: indicesIn(tensor, indices), values: float32(`${tensor.name}#values`, value) };
}

function split(key: string): [string, string | undefined] {
  const at = key.indexOf('#');
  return at < 0 ? [key, undefined] : [key.slice(0, at), key.slice(at + 1)];
}

function demandShape(name: string, { shape }: Tensor, expected: readonly number[]): void {
  if (shape.length === expected.length && shape.every((dimension, i) => dimension === expected[i])) return;
  throw new GradwireError('E_SHAPE', `${quote(name)} is [${shape}], the model has [${expected}]; nothing was applied`);
}

function float32(name: string, { dtype, data }: Tensor): Float32Array {
  if (data instanceof Float32Array) return data;
  throw new GradwireError('E_DTYPE', `${quote(name)} is ${dtype}, this model takes F32; nothing was applied`);
}

function indicesIn({ name, rows }: TensorSpec, { dtype, data }: Tensor): Int32Array {
  if (!(data instanceof Int32Array) && !(data instanceof BigInt64Array)) {
    throw new GradwireError('E_DTYPE', `${quote(`${name}#rows`)} is ${dtype}, row indices are I32 or I64; nothing was applied`);
  }
  const stray = (data as ArrayLike<number | bigint> & { findIndex(test: (row: number | bigint) => boolean): number }).findIndex(
    (row) => row < 0 || row >= rows,
  );
  if (stray >= 0)
    throw new GradwireError('E_ROWS', `${quote(name)} has no row ${data[stray]} (rows 0 to ${rows - 1}); nothing was applied`);
  return data instanceof Int32Array ? data : Int32Array.from(data, Number);
}
