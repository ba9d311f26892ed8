// The parts of one tensor in a frame, `name#rows` and the like, checked and put together to a form.
import { blockLengthOf } from '../encodings/int8.ts';
import type { Packed } from '../encodings/packed.ts';
import { GradwireError, quote } from '../errors.ts';
import { finite } from '../floats.ts';
import { isAscending } from '../gradients/rows.ts';
import type { TensorSpec } from '../layout.ts';
import type { Form } from './forms.ts';
import type { Tensor } from './safetensors.ts';

const names = ['dense', 'rows', 'indices', 'values', 'codes', 'scale'] as const;

/** The tensors of one name: `dense` is the one without a `#`. */
export type Parts = { readonly [part in (typeof names)[number]]?: Tensor };

/** The parts with one more; `part` is what stands behind the `#` of its key, undefined without one. Throws `E_BATCH` for a part that there is not. */
export function withPart(parts: Parts | undefined, part: string | undefined, key: string, value: Tensor): Parts {
  if (part === undefined) return { ...parts, dense: value };
  if (part !== 'dense' && names.includes(part as 'rows')) return { ...parts, [part]: value };
  const text = `${quote(key)}: a tensor's parts are #rows and #values, #indices, #codes and #scale; nothing was applied`;
  throw new GradwireError('E_BATCH', text);
}

/** The form that the parts make. Throws `E_BATCH`, `E_SHAPE`, `E_DTYPE`, `E_ROWS` or `E_NONFINITE`. */
export function formOf<Name extends string>(tensor: TensorSpec<Name>, parts: Parts): Form<Name> {
  demandWhole(tensor.name, parts);
  const { rows, indices } = parts;
  if (rows !== undefined) {
    if (tensor.shape.length === 0)
      throw new GradwireError('E_ROWS', `${quote(tensor.name)} is a scalar and has no rows; nothing was applied`);
    const found = positionsIn(`${tensor.name}#rows`, rows, { what: 'row', below: tensor.rows });
    return { tensor, rows: found, values: valuesIn(tensor.name, parts, [found.length, ...tensor.shape.slice(1)]) };
  }
  if (indices === undefined) return { tensor, rows: undefined, values: valuesIn(tensor.name, parts, tensor.shape) };
  const found = positionsIn(`${tensor.name}#indices`, indices, { what: 'index', below: tensor.length });
  if (!isAscending(found))
    throw new GradwireError('E_ROWS', `the indices of ${quote(tensor.name)} do not ascend; nothing was applied`);
  return { tensor, rows: undefined, indices: found, values: valuesIn(tensor.name, parts, [found.length]) };
}

function demandWhole(name: string, { dense, rows, indices, values, codes, scale }: Parts): void {
  const places = rows ?? indices;
  const wrong =
    dense !== undefined && (values ?? codes ?? places) !== undefined
      ? `${quote(name)} is dense and rows at once, or values and codes`
      : values !== undefined && codes !== undefined
        ? `${quote(name)} has #values and #codes`
        : rows !== undefined && indices !== undefined
          ? `${quote(name)} has #rows and #indices`
          : (codes === undefined) !== (scale === undefined)
            ? `${quote(`${name}${codes ? '#codes' : '#scale'}`)} comes without ${codes ? '#scale' : '#codes'}`
            : places !== undefined && (values ?? codes) === undefined
              ? `${quote(`${name}${rows ? '#rows' : '#indices'}`)} comes without #values`
              : values !== undefined && places === undefined
                ? `${quote(`${name}#values`)} comes without #rows or #indices`
                : undefined;
  if (wrong !== undefined) throw new GradwireError('E_BATCH', `${wrong}; nothing was applied`);
}

function valuesIn(name: string, { dense, values, codes, scale }: Parts, shape: readonly number[]): Packed {
  if (codes !== undefined && scale !== undefined) return codesIn(name, { codes, scale }, shape);
  const [key, { dtype, data }] = dense === undefined ? [`${name}#values`, values as Tensor] : [name, dense];
  demandShape(key, (dense ?? values) as Tensor, shape);
  if (data instanceof Float32Array) return data;
  if (data instanceof Uint16Array && (dtype === 'F16' || dtype === 'BF16')) return { dtype, bits: data };
  throw new GradwireError('E_DTYPE', `${quote(key)} is ${dtype}, this model takes F32, F16 or BF16; nothing was applied`);
}

function codesIn(name: string, { codes, scale }: { codes: Tensor; scale: Tensor }, shape: readonly number[]): Packed {
  demandShape(`${name}#codes`, codes, shape);
  const [count, scales] = [codes.data.length, scale.data.length];
  const length = blockLengthOf(count, scales);
  if (scale.shape.length !== 1 || scales > count || (count > 0 && Math.ceil(count / length) !== scales)) {
    const text = `${quote(`${name}#scale`)} is [${scale.shape}], which cuts ${count} codes into no blocks of one length`;
    throw new GradwireError('E_SHAPE', `${text}; nothing was applied`);
  }
  if (!(codes.data instanceof Int8Array) || !(scale.data instanceof Float32Array)) {
    const text = `the codes of ${quote(name)} are ${codes.dtype} and the scales ${scale.dtype}, they must be I8 and F32`;
    throw new GradwireError('E_DTYPE', `${text}; nothing was applied`);
  }
  if (!finite(scale.data)) throw new GradwireError('E_NONFINITE', `a scale of ${quote(name)} is not finite; nothing was applied`);
  return { codes: codes.data, scale: scale.data };
}

function demandShape(name: string, { shape }: Tensor, expected: readonly number[]): void {
  if (shape.length === expected.length && shape.every((dimension, i) => dimension === expected[i])) return;
  throw new GradwireError('E_SHAPE', `${quote(name)} is [${shape}], the model has [${expected}]; nothing was applied`);
}

/** Rows or indices as 32-bit integers within range. */
function positionsIn(key: string, { shape, dtype, data }: Tensor, { what, below }: { what: string; below: number }): Int32Array {
  if (shape.length !== 1) throw new GradwireError('E_SHAPE', `${quote(key)} must have one dimension; nothing was applied`);
  if (!(data instanceof Int32Array) && !(data instanceof BigInt64Array))
    throw new GradwireError('E_DTYPE', `${quote(key)} is ${dtype}, it must be I32 or I64; nothing was applied`);
  for (const position of data) {
    if (position >= 0 && position < below) continue;
    const name = key.slice(0, key.indexOf('#'));
    throw new GradwireError('E_ROWS', `${quote(name)} has no ${what} ${position} (0 to ${below - 1}); nothing was applied`);
  }
  return data instanceof Int32Array ? data : Int32Array.from(data, Number);
}
