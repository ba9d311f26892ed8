// Runs of an optimizer as plain data that survives JSON: what a case is, and how random ones are drawn from a seed.
import { drawOptions, optionNames } from './cases.options.ts';
import { chance, pick, type Random, whole } from './random.ts';

export { optionNames };

/**
 * Float32 values: listed (JSON makes -0 a 0), or drawn from a seed, with magnitudes from 2^least to below 2^(most + 1)
 * (-127: subnormal; 128: NaN) and zeros of both signs among them.
 */
export type Floats = readonly number[] | { readonly seed: number; readonly least: number; readonly most: number };

/** One optimizer and the batches it folds. */
export interface Case {
  /** Tensor names and shapes. */
  readonly layout: Readonly<Record<string, readonly number[]>>;
  /** What the optimizer is told, besides `initial`. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Initial parameters of some tensors. */
  readonly initial: Readonly<Record<string, Floats>>;
  /** Gradients of some tensors, batch after batch: dense, or of rows. */
  readonly batches: readonly Readonly<Record<string, Floats | { readonly rows: readonly number[]; readonly values: Floats }>>[];
  /** How many threads fold it; none are started unless told. */
  readonly threads?: number;
}

// everyday gradients, large ones, small ones, and those whose squares are subnormal or 0
const magnitudes = [
  { least: -8, most: 2 },
  { least: 5, most: 20 },
  { least: -40, most: -10 },
  { least: -127, most: -60 },
];
const notFinite = { least: 128, most: 128 };

/** `count` random cases, the same for the same seed. */
export function cases(count: number, seed: number): Case[] {
  const random = chance(seed);
  return Array.from({ length: count }, () => drawCase(random, drawLayout(random), 12));
}

/** `count` random cases of models that are large enough for threads to work, which nothing in the cases asks for. */
export function largeCases(count: number, seed: number): Case[] {
  const random = chance(seed);
  const layouts: Case['layout'][] = [
    { 't0/kernel': [363, 401], 't1/bias': [401] },
    { 't0/ä': [3], 't1/kernel': [15_001, 11], 't2/bias': [140_003] },
    { 't0/kernel': [4, 50_003], long: [131_072] },
  ];
  return Array.from({ length: count }, () => {
    const drawn = drawCase(random, pick(random, layouts), 3);
    return { ...drawn, options: { ...drawn.options, kernel: undefined } };
  });
}

function drawCase(random: Random, layout: Case['layout'], most: number): Case {
  const names = Object.keys(layout);
  const { options, takesRows } = drawOptions(random, layout);
  const scaled = options.lossScale !== undefined && typeof options.lossScale !== 'number';
  return {
    layout,
    options,
    initial: Object.fromEntries(some(random, names).map((name) => [name, drawFloats(random)])),
    batches: Array.from({ length: whole(random, 1, most) }, () =>
      Object.fromEntries(some(random, names).map((name) => [name, drawGradient(random, layout[name], { takesRows, scaled })])),
    ),
  };
}

/** One to five tensors of rank 0 to 3, most of them no multiple of a SIMD register. */
function drawLayout(random: Random): Record<string, number[]> {
  const tensors = Array.from({ length: whole(random, 1, 5) }, (_, i): [string, number[]] => [
    `t${i}/${pick(random, ['kernel', 'bias', 'ä'])}`,
    Array.from({ length: pick(random, [0, 1, 1, 2, 2, 3]) }, () => whole(random, 1, 9)),
  ]);
  return Object.fromEntries([...tensors, ['long', [whole(random, 1, 70)]]]);
}

/** One or more of the names, in any order. */
function some(random: Random, names: readonly string[]): string[] {
  const shuffled = names.map((name) => ({ name, at: random() })).sort((a, b) => a.at - b.at);
  return shuffled.slice(0, whole(random, 1, names.length)).map(({ name }) => name);
}

/** A dense gradient, or one of rows: in any order, some of them several times. Seldom, where the loss is scaled, one that is not finite. */
function drawGradient(
  random: Random,
  shape: readonly number[],
  { takesRows, scaled }: { takesRows: boolean; scaled: boolean },
): Case['batches'][number][string] {
  const drawn = drawFloats(random);
  const values = scaled && random() < 0.1 ? { ...drawn, ...notFinite } : drawn;
  if (shape.length === 0 || !takesRows || random() < 0.4) return values;
  return { rows: Array.from({ length: whole(random, 1, 6) }, () => whole(random, 0, shape[0] - 1)), values };
}

function drawFloats(random: Random): Exclude<Floats, readonly number[]> {
  return { seed: whole(random, 0, 2 ** 31), ...pick(random, magnitudes) };
}
