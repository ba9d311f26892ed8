// What published weights lack: the rows touched since they were published last, and the rows that still owe what an encoding dropped.
import { isAscending } from '../gradients/rows.ts';
import type { TensorSpec } from '../layout.ts';
import type { Touched } from '../rmsprop/fold/fold.ts';

/** An account by tensors and rows; `undefined` rows are all rows. */
export class Missing<Name extends string = string> {
  readonly #touched = new Map<TensorSpec<Name>, Int32Array | undefined>();
  readonly #owing = new Map<TensorSpec<Name>, Owing>();

  /** Whether anything may be missing. */
  get some(): boolean {
    return this.#touched.size > 0 || this.#owing.size > 0;
  }

  /** Notes what a step touched; rows are copied. */
  touch(touched: readonly Touched<Name>[]): void {
    for (const { tensor, rows } of touched) {
      const before = this.#touched.get(tensor);
      const isFirst = !this.#touched.has(tensor);
      const all = rows === undefined || (!isFirst && before === undefined);
      this.#touched.set(
        tensor,
        all ? undefined : small(tensor, isFirst ? ascending(rows) : union(before as Int32Array, ascending(rows))),
      );
    }
  }

  /** What was touched since the last time, in layout order; it counts as published. */
  takeTouched(): Touched<Name>[] {
    const touched = Array.from(this.#touched, ([tensor, rows]) => ({ tensor, rows }));
    this.#touched.clear();
    return touched.sort((a, b) => a.tensor.offset - b.tensor.offset);
  }

  /** Notes of each of the rows whether it still owes something; of all rows that they may, without a look at each. */
  owe(tensor: TensorSpec<Name>, rows: Int32Array | undefined, owes: (row: number) => boolean): void {
    let owing = this.#owing.get(tensor);
    if (owing === undefined) {
      owing = new Owing(tensor.rows);
      this.#owing.set(tensor, owing);
    }
    if (rows === undefined) owing.setAll();
    else for (const row of rows) owing.set(row, owes(row));
    if (owing.count === 0) this.#owing.delete(tensor);
  }

  /** Tensors of which rows owe something, in layout order. */
  get owing(): readonly TensorSpec<Name>[] {
    return [...this.#owing.keys()].sort((a, b) => a.offset - b.offset);
  }

  /** Whether every row of a tensor owes something. */
  owesAll(tensor: TensorSpec<Name>): boolean {
    return this.#owing.get(tensor)?.count === tensor.rows;
  }

  /** Rows of a tensor that owe something, ascending, up to `most`: those that have waited longest, in turn. */
  owed(tensor: TensorSpec<Name>, most: (owing: number) => number): Int32Array {
    const owing = this.#owing.get(tensor);
    return owing === undefined ? new Int32Array(0) : owing.take(Math.min(owing.count, most(owing.count)));
  }

  /** Nothing is missing any more. */
  clear(): void {
    this.#touched.clear();
    this.#owing.clear();
  }
}

/** Which rows of one tensor owe something. */
class Owing {
  count = 0;
  readonly #flags: Uint8Array;
  #next = 0;

  constructor(rows: number) {
    this.#flags = new Uint8Array(rows);
  }

  set(row: number, owes: boolean): void {
    const flag = owes ? 1 : 0;
    this.count += flag - this.#flags[row];
    this.#flags[row] = flag;
  }

  setAll(): void {
    this.#flags.fill(1);
    this.count = this.#flags.length;
  }

  take(most: number): Int32Array {
    const rows = new Int32Array(most);
    let at = this.#next;
    for (let found = 0; found < most; at++) {
      if (at === this.#flags.length) at = 0;
      if (this.#flags[at] === 1) rows[found++] = at;
    }
    this.#next = at % this.#flags.length;
    return rows.sort();
  }
}

function ascending(rows: Int32Array): Int32Array {
  return isAscending(rows) ? rows.slice() : Int32Array.from(new Set(rows)).sort();
}

/** Rows, or undefined where they take as much room as all of the tensor. */
function small({ length, rowLength }: TensorSpec, rows: Int32Array): Int32Array | undefined {
  return rows.length * (1 + rowLength) < length ? rows : undefined;
}

/** Whether a row is among ascending rows. */
export function has(rows: Int32Array, row: number): boolean {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle] < row) low = middle + 1;
    else high = middle;
  }
  return rows[low] === row;
}

/** The rows of both, ascending, each once. */
export function union(a: Int32Array, b: Int32Array): Int32Array {
  const both = new Int32Array(a.length + b.length);
  let count = 0;
  for (let i = 0, j = 0; i < a.length || j < b.length; count++) {
    const row = j === b.length || (i < a.length && a[i] <= b[j]) ? a[i] : b[j];
    if (a[i] === row) i += 1;
    if (b[j] === row) j += 1;
    both[count] = row;
  }
  return both.slice(0, count);
}
