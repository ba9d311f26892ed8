// What a diff finds: the first difference of each kind, and notes about what is no difference of bits.

/** What two runs differ in. */
export type DifferenceKind = 'layout' | 'optimizer' | 'initial' | 'gradients' | 'parameters' | 'length';

/** The first difference of a kind. */
export interface Difference {
  readonly what: DifferenceKind;
  /** The first version that differs; 0 for what holds before the first batch. Null for files that do not say a version. */
  readonly version: number | null;
  readonly tensor: string | null;
  /** Place of the first differing value in the tensor, row-major. */
  readonly index: number | null;
  /** That value in A; the shape, the options or the last version for differences of those. */
  readonly a: unknown;
  readonly b: unknown;
  /** How many float32 numbers lie from one value to the other; 0 from -0 to 0. Null where a value is missing, or is none. */
  readonly ulps: number | null;
  /** Values of all tensors that differ at that version. */
  readonly differing: number;
  /** Largest |difference| of them; null where none has one. */
  readonly maxDifference: number | null;
}

/** How two runs, or two files, differ: plain data. */
export interface Diff {
  /** What was compared. */
  readonly of: 'recordings' | 'files';
  /** Whether all bits are the same. */
  readonly equal: boolean;
  /** The last versions of A and B; null where a file does not say. */
  readonly versions: readonly [a: number | null, b: number | null];
  /** The first difference of any kind. */
  readonly first: Difference | null;
  /** The first version whose folded parameters differ. */
  readonly parameters: Difference | null;
  /** What differs beside bits, such as run ids and times, and further differences of other kinds. */
  readonly notes: readonly string[];
  /** Of the parameters at the end, where they are equal. */
  readonly digest: string | null;
}

/** A difference of something that is no value of a tensor. */
export function differenceOf(
  what: DifferenceKind,
  { version, tensor = null, a, b }: Pick<Difference, 'version' | 'a' | 'b'> & { tensor?: string | null },
): Difference {
  return { what, version, tensor, index: null, a, b, ulps: null, differing: 0, maxDifference: null };
}
