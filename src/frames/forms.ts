// The forms a tensor takes inside a frame: all of its values, some rows of it, or some places; each packed as floats or as codes.
import type { Packed } from '../encodings/packed.ts';
import { tensorsOf, unpack } from '../encodings/packed.ts';
import type { TensorGradient } from '../gradients/check.ts';
import type { Layout, TensorSpec } from '../layout.ts';
import { known } from '../tensors.ts';
import { formOf, type Parts, withPart } from './parts.ts';
import type { Tensor } from './safetensors.ts';

/** Values of a tensor, of some of its rows or at some flat positions of it: the same shape of thing for gradients and for updates. */
export interface Form<Name extends string = string> {
  readonly tensor: TensorSpec<Name>;
  readonly rows: Int32Array | undefined;
  /** Flat positions in the tensor, ascending; `rows` is undefined then. */
  readonly indices?: Int32Array;
  readonly values: Packed;
}

/** A frame's tensors for these forms: 4-byte elements first, so that every tensor is aligned; else in the order of the forms. */
export function entriesOf(forms: readonly Form[]): [string, Tensor][] {
  const entries: [string, Tensor][] = [];
  for (const { tensor, rows, indices, values } of forms) {
    const { name, shape } = tensor;
    const places = rows ?? indices;
    if (places === undefined) {
      entries.push(...tensorsOf(values, shape, { name, key: name }));
      continue;
    }
    entries.push([`${name}#${rows === undefined ? 'indices' : 'rows'}`, { dtype: 'I32', shape: [places.length], data: places }]);
    const shapeOfValues = rows === undefined ? [places.length] : [places.length, ...shape.slice(1)];
    entries.push(...tensorsOf(values, shapeOfValues, { name, key: `${name}#values` }));
  }
  const width = (i: number): number => entries[i][1].data.BYTES_PER_ELEMENT;
  // those of floats alone are in order
  if (entries.every((_, i) => i === 0 || width(i) <= width(i - 1))) return entries;
  return entries.sort(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
}

/**
 * The forms that a frame's tensors have, checked against the model by name, dtype and shape; rows and indices by range.
 * Rows stay in the frame's order. Values are views of the frame.
 *
 * @throws GradwireError `E_UNKNOWN`, `E_SHAPE`, `E_DTYPE`, `E_ROWS`, `E_NONFINITE` or `E_BATCH`.
 */
export function formsIn<Name extends string>(tensors: ReadonlyMap<string, Tensor>, model: Layout<Name>): Form<Name>[] {
  const byName = new Map<string, Parts>();
  for (const [key, value] of tensors) {
    const at = key.indexOf('#');
    const name = at < 0 ? key : key.slice(0, at);
    known(model, name);
    byName.set(name, withPart(byName.get(name), at < 0 ? undefined : key.slice(at + 1), key, value));
  }
  return Array.from(byName, ([name, parts]) => formOf(known(model, name), parts));
}

/** A gradient as the optimizer takes it: float32 values of all of the tensor or of rows. What indices leave out is zero. */
export function gradientIn<Name extends string>({ tensor, rows, indices, values }: Form<Name>): TensorGradient<Name> {
  const floats = unpack(values);
  if (indices === undefined) return { tensor, rows, values: floats };
  const all = new Float32Array(tensor.length);
  for (let i = 0; i < indices.length; i++) all[indices[i]] = floats[i];
  return { tensor, rows: undefined, values: all };
}
