// A model's layout: the names and shapes of its tensors, and where each lies in one flat float32 range.
import { GradwireError, quote } from './errors.ts';

/** One tensor's place. `offset`, `length` and `rowLength` count floats. */
export interface TensorSpec<Name extends string = string> {
  readonly name: Name;
  readonly shape: readonly number[];
  /** First float of the tensor in the flat range. */
  readonly offset: number;
  /** Floats in the tensor: the product of its shape; 1 for a scalar. */
  readonly length: number;
  /** The first dimension; 1 for a scalar. */
  readonly rows: number;
  /** Floats in one row: the product of the other dimensions. */
  readonly rowLength: number;
}

/** Names and shapes: `{ 'dense/kernel': [784, 10], 'dense/bias': [10] }`. */
export type Shapes<Name extends string = string> = Readonly<Record<Name, readonly number[]>>;

/** The tensors of a model in order, as one flat range of `length` floats. Immutable. */
export interface Layout<Name extends string = string> {
  readonly tensors: readonly TensorSpec<Name>[];
  /** Floats in all tensors together. */
  readonly length: number;
  readonly byteLength: number;
  /** The tensor of that name, or undefined. */
  get(name: string): TensorSpec<Name> | undefined;
  /** `{ name: shape }`, which {@link layout} reads back. */
  toJSON(): Record<Name, number[]>;
}

/** Most tensors, dimensions and bytes of a name that a layout takes; those of the safetensors reader. */
export const layoutLimits = { tensors: 10_000, rank: 8, nameBytes: 256 } as const;

// one WebAssembly memory holds 4 GiB; parameters, accumulators and a batch share it
const mostFloats = 2 ** 28;

/**
 * The layout of a model from its names and shapes.
 *
 * Tensors keep the order in which they are named, except that integer-like names come first in ascending order, as in
 * every JavaScript object: so a layout survives JSON. A name is 1 to 256 bytes of well-formed text without control
 * characters, and without `#`, which marks the parts of a tensor in a frame.
 *
 * @throws GradwireError `E_LAYOUT` for a name or shape that does not fit.
 */
export function layout<Name extends string>(shapes: Shapes<Name> | Iterable<readonly [Name, readonly number[]]>): Layout<Name> {
  const ordered = new Map(Object.entries(plain(shapes))) as Map<Name, readonly number[]>;
  if (ordered.size > layoutLimits.tensors) {
    throw new GradwireError('E_LAYOUT', `${ordered.size} tensors, the limit is ${layoutLimits.tensors}`);
  }
  const byName = new Map<string, TensorSpec<Name>>();
  let offset = 0;
  for (const [name, shape] of ordered) {
    const tensor = place(name, shape, offset);
    byName.set(name, tensor);
    offset += tensor.length;
    if (offset > mostFloats) {
      throw new GradwireError(
        'E_LAYOUT',
        `more than ${mostFloats} parameters at ${quote(name)}; split the model over several trainers`,
      );
    }
  }
  return Object.freeze({
    tensors: Object.freeze([...byName.values()]),
    length: offset,
    byteLength: offset * 4,
    get: (name: string) => byName.get(name),
    toJSON: () => Object.fromEntries([...byName].map(([name, { shape }]) => [name, [...shape]])) as Record<Name, number[]>,
  });
}

/** Whether two layouts name the same tensors with the same shapes in the same order. */
export function sameLayout(a: Layout, b: Layout): boolean {
  return a === b || JSON.stringify(a.tensors) === JSON.stringify(b.tensors);
}

/** Iterables through an object without a prototype, so that every source is ordered by the same rule. */
function plain(shapes: Shapes | Iterable<readonly [string, readonly number[]]>): Shapes {
  if (shapes === null || typeof shapes !== 'object') {
    throw new GradwireError('E_LAYOUT', `a layout is made of names and shapes, as in { "w": [3, 4] }; got ${typeof shapes}`);
  }
  if (!(Symbol.iterator in shapes)) return shapes;
  const named: Record<string, readonly number[]> = Object.create(null);
  for (const pair of shapes as Iterable<readonly [string, readonly number[]]>) {
    if (!Array.isArray(pair)) throw new GradwireError('E_LAYOUT', 'a layout is made of names and shapes, as in { "w": [3, 4] }');
    const [name, shape] = pair;
    named[String(name)] = shape;
  }
  return named;
}

function place<Name extends string>(name: Name, shape: readonly number[], offset: number): TensorSpec<Name> {
  refuseName(name);
  if (!Array.isArray(shape) || shape.length > layoutLimits.rank) {
    throw new GradwireError(
      'E_LAYOUT',
      `the shape of ${quote(name)} must be an array of at most ${layoutLimits.rank} dimensions`,
    );
  }
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 1) {
      throw new GradwireError(
        'E_LAYOUT',
        `the shape of ${quote(name)} has a dimension ${String(dimension)}; dimensions are integers from 1`,
      );
    }
  }
  const rowLength = shape.slice(1).reduce((product, dimension) => product * dimension, 1);
  const rows = shape[0] ?? 1;
  return Object.freeze({ name, shape: Object.freeze([...shape]), offset, length: rows * rowLength, rows, rowLength });
}

function refuseName(name: string): void {
  const wrong =
    name === ''
      ? 'is empty'
      : new TextEncoder().encode(name).byteLength > layoutLimits.nameBytes
        ? `is longer than ${layoutLimits.nameBytes} bytes`
        : name === '__metadata__'
          ? 'is reserved by safetensors'
          : name.includes('#')
            ? 'has a "#", which marks the parts of a tensor in a frame'
            : !isPrintable(name)
              ? 'has control characters or lone surrogates'
              : undefined;
  if (wrong !== undefined) throw new GradwireError('E_LAYOUT', `the tensor name ${quote(name)} ${wrong}`);
}

/** Well-formed Unicode text without control characters. */
export function isPrintable(text: string): boolean {
  return !/[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u.test(text);
}
