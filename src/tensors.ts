// The tensors of a model as named views of one flat float32 range.
import { GradwireError, quote } from './errors.ts';
import type { Layout, TensorSpec } from './layout.ts';

/**
 * **Live views**: the next version overwrites what `get` and `flat` return; `copy` returns a copy of its own.
 *
 * Iterating yields `[name, view]` in layout order.
 */
export class Tensors<Name extends string = string> implements Iterable<[Name, Float32Array]> {
  readonly layout: Layout<Name>;
  /** All tensors in layout order, `layout.length` floats: a live view. */
  readonly flat: Float32Array;

  /** Views of `flat`, which must hold `layout.length` floats and is not copied. */
  constructor(layout: Layout<Name>, flat: Float32Array = new Float32Array(layout.length)) {
    this.layout = layout;
    this.flat = flat;
  }

  /** The tensor's values in row-major order: a live view of its `length` floats. Throws `E_UNKNOWN`. */
  get(name: Name): Float32Array {
    const { offset, length } = known(this.layout, name);
    return this.flat.subarray(offset, offset + length);
  }

  /** A copy of the tensor's values that stays as it is. Throws `E_UNKNOWN`. */
  copy(name: Name): Float32Array<ArrayBuffer> {
    return new Float32Array(this.get(name));
  }

  *[Symbol.iterator](): Iterator<[Name, Float32Array]> {
    for (const { name } of this.layout.tensors) yield [name, this.get(name)];
  }
}

/** The tensor of that name, or `E_UNKNOWN` with the names that there are. */
export function known<Name extends string>(model: Layout<Name>, name: string): TensorSpec<Name> {
  const tensor = model.get(name);
  if (tensor !== undefined) return tensor;
  const names = model.tensors.slice(0, 8).map((each) => quote(each.name));
  const more = model.tensors.length > names.length ? ', …' : '';
  throw new GradwireError(
    'E_UNKNOWN',
    `${quote(name)}: the model has ${model.tensors.length} tensors: ${names.join(', ')}${more}`,
  );
}
