// Two folds of one model side by side, and what has been found of them.
import type { TensorSpec } from '../../../../src/layout.ts';
import type { RMSpropConfig } from '../../../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop, type StepResult } from '../../../../src/rmsprop/rmsprop.ts';
import { Tensors } from '../../../../src/tensors.ts';
import type { RecordedBatch } from '../../history/batches.ts';
import type { History } from '../../history/history.ts';
import { readInitial } from '../../history/start.ts';
import type { Difference } from './finding.ts';
import { compareGradients } from './gradients.ts';
import { Labels } from './labels.ts';
import { optimizerDifference } from './layouts.ts';
import { Tally } from './tally.ts';

/** Compares batch by batch, and folds as long as the parameters are the same. */
export class Sides {
  readonly labels: Labels = new Labels();
  readonly #a: RMSprop;
  readonly #b: RMSprop;
  readonly #optimizer: Difference | null;
  readonly #initial: Difference | null;
  #gradients: Difference | null = null;
  #parameters: Difference | null;

  private constructor([a, b]: readonly [RMSprop, RMSprop], optimizer: Difference | null) {
    this.#a = a;
    this.#b = b;
    this.#optimizer = optimizer;
    const tally = new Tally();
    for (const [name, values] of a.parameters) tally.compare(name, values, b.parameters.get(name));
    this.#initial = tally.difference('initial', 0);
    this.#parameters = tally.difference('parameters', 0);
  }

  /** Both at their initial weights; batches must be of A's layout. Throws `E_RECORDING_GAP` where initial weights are not there. */
  static async of(a: History, b: History): Promise<Sides> {
    const { model, optimizer } = a.about;
    const folds = [
      new RMSprop(model, { ...optimizer, initial: await initialOf(a) }),
      new RMSprop(model, { ...b.about.optimizer, initial: await initialOf(b) }),
    ] as const;
    const [one, other] = folds.map((fold): RMSpropConfig => fold.getConfig());
    return new Sides(folds, optimizerDifference(one, other));
  }

  /** The first version whose folded parameters differ. */
  get parameters(): Difference | null {
    return this.#parameters;
  }

  /** Compares two batches of the same version, and what they fold to, as long as something is not found yet. */
  compare(a: RecordedBatch, b: RecordedBatch): void {
    this.labels.compare(a, b);
    if (this.#gradients === null) {
      const { tally, otherForm } = compareGradients(this.#a.layout, a.checked, b.checked);
      this.#gradients = tally.difference('gradients', a.version);
      if (otherForm !== undefined)
        this.labels.note('the form of a gradient', a.version, [formOf(a, otherForm), formOf(b, otherForm)]);
    }
    if (this.#parameters !== null) return;
    const touched = touchedBy(this.#a.step(a.checked), this.#b.step(b.checked));
    this.#parameters = this.#compareTouched(touched).difference('parameters', a.version);
  }

  /** Everything found, in the order in which it comes; at one version gradients before parameters. */
  found(): Difference[] {
    // other initial weights are other parameters already
    const parameters = this.#initial === null ? this.#parameters : null;
    const later = [this.#gradients, parameters].filter((each) => each !== null);
    later.sort((a, b) => (a.version ?? 0) - (b.version ?? 0));
    return [this.#optimizer, this.#initial, ...later].filter((each) => each !== null);
  }

  /** The digest of A's parameters, as far as it has folded. */
  digest(): string {
    return this.#a.digest();
  }

  // what no step touched was equal before, and is
  #compareTouched(touched: ReadonlyMap<TensorSpec, ReadonlySet<number> | 'all'>): Tally {
    const tally = new Tally();
    for (const [{ name, rowLength }, rows] of [...touched].sort(([a], [b]) => a.offset - b.offset)) {
      const a = this.#a.parameters.get(name);
      const b = this.#b.parameters.get(name);
      if (rows === 'all') tally.compare(name, a, b);
      else
        for (const row of [...rows].sort((one, other) => one - other)) {
          const [from, to] = [row * rowLength, (row + 1) * rowLength];
          tally.compare(name, a.subarray(from, to), b.subarray(from, to), from);
        }
    }
    return tally;
  }
}

/** The tensors that any of the steps touched, with their rows. */
function touchedBy(...steps: readonly StepResult[]): Map<TensorSpec, Set<number> | 'all'> {
  const touched = new Map<TensorSpec, Set<number> | 'all'>();
  for (const { tensor, rows } of steps.flatMap((step) => step.touched)) {
    const known = touched.get(tensor) ?? new Set<number>();
    if (rows === undefined || known === 'all') touched.set(tensor, 'all');
    else touched.set(tensor, new Set([...known, ...rows]));
  }
  return touched;
}

async function initialOf(history: History): Promise<Record<string, Float32Array>> {
  return Object.fromEntries(new Tensors(history.about.model, await readInitial(history)));
}

function formOf({ checked }: RecordedBatch, name: string): string {
  const rows = checked.tensors.find(({ tensor }) => tensor.name === name)?.rows;
  return `${JSON.stringify(name)} ${rows === undefined ? 'dense' : `as ${rows.length} rows`}`;
}
