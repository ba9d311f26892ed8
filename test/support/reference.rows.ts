// How the reference reads a batch: which values are refused, how rows are summed; what a row owes; the loss scale.
import type { GradientRecord, Rows } from '../../src/gradients/batch.ts';
import type { TensorSpec } from '../../src/layout.ts';
import { type Gradient, round } from './reference.clip.ts';
import type { ReferenceOptions } from './reference.options.ts';

/** Thrown where docs/SEMANTICS.md refuses a batch; the message is the code. */
export class RefusedBatch extends Error {}

/** Which rows a gradient touches, ascending; a dense one all of them. */
export interface TouchedRows {
  readonly rows: readonly number[];
}

/** The tensors of a batch in layout order as copies, duplicate rows summed; or that a value is not finite. */
export function readBatch(
  specs: readonly TensorSpec[],
  batch: GradientRecord,
  options: ReferenceOptions,
): (Gradient & TouchedRows)[] | 'not finite' {
  const limit = options.maxAbs ?? 1e9;
  const read: (Gradient & TouchedRows)[] = [];
  for (const spec of specs) {
    const gradient = batch[spec.name];
    if (gradient === undefined) continue;
    const values = gradient instanceof Float32Array ? gradient : gradient.values;
    if (!values.every(Number.isFinite)) return 'not finite';
    if (gradient instanceof Float32Array) {
      const rows = Array.from({ length: spec.rows }, (_, row) => row);
      read.push({ name: spec.name, rows, g: gradient.slice() });
    } else read.push(readRows(spec, gradient, options));
  }
  for (const { g } of read) if (g.some((each) => Math.abs(each) > limit)) throw new RefusedBatch('E_RANGE');
  for (const spec of specs) {
    const gradient = batch[spec.name];
    if (gradient !== undefined && !(gradient instanceof Float32Array) && gradient.values.some((each) => Math.abs(each) > limit))
      throw new RefusedBatch('E_RANGE');
  }
  return read;
}

function readRows(spec: TensorSpec, { rows, values }: Rows, options: ReferenceOptions): Gradient & TouchedRows {
  const { momentum = 0, sparse = 'exact', gradientAccumulationSteps = 1 } = options;
  if ((sparse === 'exact' && momentum > 0) || gradientAccumulationSteps > 1) throw new RefusedBatch('E_ROWS');
  const sums = new Map<number, number[]>();
  rows.forEach((row, i) => {
    const found = [...values.subarray(i * spec.rowLength, (i + 1) * spec.rowLength)];
    const before = sums.get(row);
    sums.set(row, before === undefined ? found : before.map((sum, j) => round(sum + found[j])));
  });
  const ascending = [...sums.keys()].sort((one, other) => one - other);
  const g = Float32Array.from(ascending.flatMap((row) => sums.get(row) as number[]));
  return { name: spec.name, rows: ascending, g };
}

/** base^exponent by squaring in float64, rounded to float32 once. */
export function powerOf(base: number, exponent: number): number {
  let power = 1;
  let square = base;
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power *= square;
    square *= square;
  }
  return round(power);
}

/** S: a number that stays, or one that grows and halves as Keras' LossScaleOptimizer has it. */
export class LossScale {
  value: number;
  readonly dynamic: boolean;
  readonly #growthSteps: number;
  #steps = 0;

  constructor(option: ReferenceOptions['lossScale'] = 1) {
    this.dynamic = typeof option !== 'number';
    const { initial, growthSteps } = typeof option === 'object' ? option : { initial: 32768, growthSteps: 2000 };
    this.value = round(typeof option === 'number' ? option : initial);
    this.#growthSteps = growthSteps;
  }

  /** One batch went by, all of it finite or not. */
  grew(finite: boolean): void {
    if (!this.dynamic) return;
    this.#steps = finite ? this.#steps + 1 : 0;
    if (!finite) this.value = Math.max(round(this.value / 2), 1);
    if (this.#steps < this.#growthSteps) return;
    this.#steps = 0;
    this.value = Math.min(round(this.value * 2), 2 ** 126);
  }
}
