// Runs of an optimizer as plain data that survives JSON: what a case is, and how random ones are drawn from a seed.
import { chance } from './random.ts';

/**
 * Float32 values: listed (JSON makes -0 a 0), or drawn from a seed, with magnitudes from 2^least to below 2^(most + 1)
 * (-127: subnormal) and zeros of both signs among them.
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
}

type Random = () => number;

const whole = (random: Random, least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
const pick = <T>(random: Random, values: readonly T[]): T => values[whole(random, 0, values.length - 1)];
const between = (random: Random, least: number, most: number): number => least * (most / least) ** random();

/** How each option is drawn: a new option is a line here. `undefined` leaves it out, which tests its default. */
const drawn: Readonly<Record<string, (random: Random) => unknown>> = {
  lr: (random) => pick(random, [undefined, 1e-3, between(random, 1e-7, 10)]),
  rho: (random) => pick(random, [undefined, 0, 0.5, 0.99, random()]),
  epsilon: (random) => pick(random, [undefined, 1e-7, 1e-30, between(random, 1e-12, 1)]),
  decay: (random) => pick(random, [undefined, 0, between(random, 1e-6, 1)]),
  clipnorm: (random) => pick(random, [undefined, undefined, between(random, 1e-3, 1e3)]),
  clipvalue: (random) => pick(random, [undefined, undefined, between(random, 1e-3, 1e3)]),
  sparse: (random) => pick(random, [undefined, 'exact', 'lazy']),
  kernel: (random) => pick(random, [undefined, 'simd', 'scalar']),
};

// everyday gradients, large ones, small ones, and those whose squares are subnormal or 0
const magnitudes = [
  { least: -8, most: 2 },
  { least: 5, most: 20 },
  { least: -40, most: -10 },
  { least: -127, most: -60 },
];

/** `count` random cases, the same for the same seed. */
export function cases(count: number, seed: number): Case[] {
  const random = chance(seed);
  return Array.from({ length: count }, () => {
    const layout = drawLayout(random);
    const names = Object.keys(layout);
    return {
      layout,
      options: Object.fromEntries(Object.entries(drawn).map(([name, draw]) => [name, draw(random)])),
      initial: Object.fromEntries(some(random, names).map((name) => [name, drawFloats(random)])),
      batches: Array.from({ length: whole(random, 1, 12) }, () =>
        Object.fromEntries(some(random, names).map((name) => [name, drawGradient(random, layout[name])])),
      ),
    };
  });
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

/** A dense gradient, or one of rows: in any order, some of them several times. */
function drawGradient(random: Random, shape: readonly number[]): Case['batches'][number][string] {
  const values = drawFloats(random);
  if (shape.length === 0 || random() < 0.4) return values;
  return { rows: Array.from({ length: whole(random, 1, 6) }, () => whole(random, 0, shape[0] - 1)), values };
}

function drawFloats(random: Random): Floats {
  return { seed: whole(random, 0, 2 ** 31), ...pick(random, magnitudes) };
}
