// Published weights q beside the parameters p: what q still lacks of p, and applying exactly what is sent.
import { type Encoding, encodingOf } from './encodings/encodings.ts';
import type { EncodingOptions } from './encodings/names.ts';
import { pick, rowsOf } from './encodings/topk.ts';
import type { Form } from './frames/forms.ts';
import type { TensorSpec } from './layout.ts';
import { applyForms } from './published/apply.ts';
import { differences, differing, rowDiffers, type Sides } from './published/difference.ts';
import { has, Missing, union } from './published/missing.ts';
import type { Touched } from './rmsprop/fold/fold.ts';
import { Tensors } from './tensors.ts';

/** The weights that replicas hold. A publication returns what it sends, and applies exactly that to them. */
export class Published<Name extends string = string> {
  /** **Live view** of the published weights; the next publication overwrites it. */
  readonly weights: Tensors<Name>;
  readonly encoding: Encoding;
  readonly #missing = new Missing<Name>();
  // differences of one tensor at a time
  readonly #room: Float32Array;

  /**
   * Published weights equal to `parameters`, or those that a snapshot kept; copied. Throws `E_CONFIG` for the options of an
   * encoding that cannot be meant.
   */
  constructor(parameters: Tensors<Name>, options: EncodingOptions = {}, kept: Tensors<Name> = parameters) {
    this.encoding = encodingOf(options);
    this.weights = new Tensors(parameters.layout, kept.flat.slice());
    const longest = parameters.layout.tensors.reduce((most, { length }) => Math.max(most, length), 0);
    this.#room = new Float32Array(this.encoding.isLossy ? longest : 0);
    if (kept === parameters) return;
    for (const tensor of parameters.layout.tensors) this.#stillOwes(this.#sides(tensor, parameters), undefined);
  }

  /** Whether the weights may lack something of the parameters. */
  get owes(): boolean {
    return this.#missing.some;
  }

  /** Notes what a step touched: the next publication carries it. */
  note(touched: readonly Touched<Name>[]): void {
    this.#missing.touch(touched);
  }

  /**
   * What is sent of all that was touched since the last time, and applied: rows where they take fewer bytes than the whole
   * tensor. In a lossy encoding some of the rows that owe something from earlier go along, and all of them with `topk`.
   * Values are views or copies, good until the next step.
   */
  take(touched: readonly Touched<Name>[], parameters: Tensors<Name>): Form<Name>[] {
    this.note(touched);
    const { isLossy, name } = this.encoding;
    const due = isLossy ? this.#withOwed(parameters) : this.#missing.takeTouched();
    const forms = due.flatMap(({ tensor, rows }) => {
      const sides = this.#sides(tensor, parameters);
      const form = isLossy ? this.#lossy(sides, rows) : newValues(sides, sparse(this.encoding, tensor, rows) ? rows : undefined);
      return form === undefined ? [] : [form as Form<Name>];
    });
    applyForms(this.weights, forms, name);
    // what is sent of a whole tensor may change every row of it: what holds -0 has 0 after nothing was added
    for (const { tensor, rows } of isLossy ? due : [])
      this.#stillOwes(this.#sides(tensor, parameters), sparse(this.encoding, tensor, rows) ? rows : undefined);
    return forms;
  }

  /** New values, for encoding `f32`, of everything that is missing, and applied: the weights are the parameters then, bit for bit. */
  settle(parameters: Tensors<Name>): Form<Name>[] {
    const due = this.#withAllOwed();
    this.#missing.clear();
    const forms = due.flatMap(({ tensor, rows }) => {
      const sides = this.#sides(tensor, parameters);
      const positions = differing(sides, rows);
      return positions.length === 0 ? [] : [smallest(sides, positions) as Form<Name>];
    });
    applyForms(this.weights, forms);
    return forms;
  }

  /** New values, for encoding `f32`, of all that was touched, whether or not the weights have them: for holders of which nothing is known. */
  renew(parameters: Tensors<Name>): Form<Name>[] {
    const forms = this.#missing.takeTouched().map(({ tensor, rows }) => {
      return newValues(this.#sides(tensor, parameters), sparse(f32, tensor, rows) ? rows : undefined) as Form<Name>;
    });
    applyForms(this.weights, forms);
    return forms;
  }

  #lossy(sides: Sides, rows: Int32Array | undefined): Form | undefined {
    const { tensor } = sides;
    const some = sparse(this.encoding, tensor, rows) ? rows : undefined;
    return this.encoding.form({ tensor, rows: some, values: differences(sides, some, this.#room) });
  }

  /** What was touched, and of what owes from earlier the share that goes along: all of it with `topk`, whose choice it is. */
  #withOwed(parameters: Tensors<Name>): Touched<Name>[] {
    if (this.encoding.name === 'topk') return this.#withAllOwed();
    const touched = new Map(this.#missing.takeTouched().map(({ tensor, rows }) => [tensor, rows]));
    for (const tensor of this.#missing.owing) {
      const rows = touched.get(tensor);
      if (touched.has(tensor) && rows === undefined) continue;
      const own = rows ?? new Int32Array(0);
      const owed = this.#missing.owed(tensor, (owing) => Math.ceil(Math.max(own.length / 8, owing / 64)));
      const differs = rowDiffers(this.#sides(tensor, parameters));
      const riders = owed.filter((row) => !has(own, row) && differs(row));
      this.#missing.owe(tensor, owed, differs);
      if (own.length + riders.length === 0) continue;
      // behind the touched ones: what they owe is smaller, and takes scales of its own
      const both = new Int32Array(own.length + riders.length);
      both.set(own);
      both.set(riders, own.length);
      touched.set(tensor, tensor.shape.length === 0 ? undefined : both);
    }
    return inOrder(touched);
  }

  #withAllOwed(): Touched<Name>[] {
    const touched = new Map(this.#missing.takeTouched().map(({ tensor, rows }) => [tensor, rows]));
    for (const tensor of this.#missing.owing) {
      const own = touched.get(tensor);
      if (touched.has(tensor) && own === undefined) continue;
      const owed = this.#missing.owesAll(tensor) ? undefined : this.#missing.owed(tensor, (owing) => owing);
      touched.set(tensor, owed === undefined || own === undefined ? owed : union(own, owed));
    }
    return inOrder(touched);
  }

  #stillOwes(sides: Sides, rows: Int32Array | undefined): void {
    this.#missing.owe(sides.tensor as TensorSpec<Name>, rows, rowDiffers(sides));
  }

  #sides(tensor: TensorSpec<Name>, parameters: Tensors<Name>): Sides {
    return { tensor, wanted: parameters.get(tensor.name), held: this.weights.get(tensor.name) };
  }
}

const f32 = encodingOf();

function inOrder<Name extends string>(touched: ReadonlyMap<TensorSpec<Name>, Int32Array | undefined>): Touched<Name>[] {
  return Array.from(touched, ([tensor, rows]) => ({ tensor, rows })).sort((a, b) => a.tensor.offset - b.tensor.offset);
}

/** Whether rows take fewer bytes than the whole tensor. */
function sparse(encoding: Encoding, { shape, length, rowLength }: TensorSpec, rows: Int32Array | undefined): boolean {
  if (rows === undefined || shape.length === 0) return false;
  return rows.length * 4 + encoding.byteLength(rows.length * rowLength) < encoding.byteLength(length);
}

/** The parameters' values: a view of all, or a copy of some rows'. */
function newValues({ tensor, wanted }: Sides, rows: Int32Array | undefined): Form {
  if (rows === undefined) return { tensor, rows, values: wanted };
  const { rowLength } = tensor;
  const values = new Float32Array(rows.length * rowLength);
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < rowLength; j++) values[i * rowLength + j] = wanted[rows[i] * rowLength + j];
  }
  return { tensor, rows, values };
}

/** The parameters' values at some positions in the form that takes the fewest bytes. */
function smallest(sides: Sides, positions: Int32Array): Form {
  const { tensor, wanted } = sides;
  const rows = tensor.shape.length === 0 ? undefined : rowsOf(positions, tensor.rowLength);
  const byRows = rows === undefined ? Number.POSITIVE_INFINITY : rows.length * (1 + tensor.rowLength);
  if (tensor.length <= Math.min(byRows, positions.length * 2)) return newValues(sides, undefined);
  if (byRows <= positions.length * 2) return newValues(sides, rows);
  return { tensor, rows: undefined, indices: positions, values: pick(wanted, positions) };
}
