// What untouched rows owe: in `exact` mode a row that a batch leaves out still decays, and pays when it is next touched.
import type { Layout, TensorSpec } from '../../layout.ts';

/** How many batches of rows each row of a tensor has been left out of since it was last touched; only tensors that owe anything. */
export type Owed = ReadonlyMap<string, Float64Array>;

interface Account {
  /** Batches that held the tensor. */
  steps: number;
  /** For each row, the `steps` that its slots have seen. Made when the first batch of rows arrives. */
  seen: Uint32Array | undefined;
}

const tableSize = 1024;
// counts begin anew before they leave 32 bits; rho^k is 0 in float32 long before a row has been left out so often
const most = 2 ** 32 - 2;
const kept = 2 ** 31;

/**
 * The accounts of one optimizer. A row left out of k batches owes its accumulator the factor rho^k. Reading does not pay:
 * a payment rounds, so paying at other moments would give other bits.
 */
export class Debts {
  readonly #accounts = new Map<string, Account>();
  readonly #rhoOf: (tensor: TensorSpec) => number;
  readonly #tables = new Map<number, Float32Array>();

  /** `rhoOf` gives a tensor's rho as rounded to float32. */
  constructor(rhoOf: (tensor: TensorSpec) => number) {
    this.#rhoOf = rhoOf;
  }

  // rho^k for small k, and rho itself for the others
  #powersOf(tensor: TensorSpec): (k: number) => number {
    const rho = this.#rhoOf(tensor);
    let table = this.#tables.get(rho);
    if (table === undefined) this.#tables.set(rho, (table = Float32Array.from({ length: tableSize }, (_, k) => powerOf(rho, k))));
    return (k) => (k < tableSize ? (table as Float32Array)[k] : powerOf(rho, k));
  }

  /** Begins a batch of rows of a tensor. The function it returns writes what each of some rows owes into `factors`, and marks them as touched. */
  touch(tensor: TensorSpec): (rows: Int32Array, factors: Float32Array) => void {
    const account = this.#account(tensor);
    if (account.steps >= most) rebase(account);
    account.seen ??= new Uint32Array(tensor.rows).fill(account.steps);
    const { seen, steps } = account;
    const power = this.#powersOf(tensor);
    account.steps = steps + 1;
    return (rows, factors) => {
      // first all that is read, so that a table that is not in the cache is read side by side
      for (let i = 0; i < rows.length; i++) {
        factors[i] = steps - seen[rows[i]];
        seen[rows[i]] = steps + 1;
      }
      for (let i = 0; i < rows.length; i++) factors[i] = power(factors[i]);
    };
  }

  /** Pays all rows of a tensor into its slots, for a dense batch that touches every row; `slotsOf` gives its own values of each. */
  settle(tensor: TensorSpec, slotsOf: () => readonly Float32Array[]): void {
    const account = this.#account(tensor);
    if (account.seen !== undefined) {
      for (const slot of slotsOf()) this.#pay(account, tensor, slot);
      account.seen = undefined;
    }
    account.steps += 1;
  }

  /** A slot as it would be after payment: multiplies what is owed into `copy`, and marks nothing. */
  readInto(tensor: TensorSpec, copy: Float32Array): void {
    const account = this.#accounts.get(tensor.name);
    if (account?.seen !== undefined) this.#pay(account, tensor, copy);
  }

  /** What is owed now: a copy, for the optimizer's state. */
  owed(model: Layout): Owed {
    const owed = new Map<string, Float64Array>();
    for (const { name } of model.tensors) {
      const { seen, steps } = this.#accounts.get(name) ?? {};
      if (seen?.some((each) => each !== steps))
        owed.set(
          name,
          Float64Array.from(seen, (each) => (steps ?? 0) - each),
        );
    }
    return owed;
  }

  /** Takes over what {@link owed} gave. */
  restore(owed: Owed): void {
    this.#accounts.clear();
    for (const [name, counts] of owed) {
      const steps = counts.reduce((most, each) => Math.max(most, each), 0);
      this.#accounts.set(name, { steps, seen: Uint32Array.from(counts, (each) => steps - each) });
    }
  }

  #account({ name }: TensorSpec): Account {
    let account = this.#accounts.get(name);
    if (account === undefined) this.#accounts.set(name, (account = { steps: 0, seen: undefined }));
    return account;
  }

  #pay({ seen, steps }: Account, tensor: TensorSpec, slot: Float32Array): void {
    const { rows, rowLength } = tensor;
    const power = this.#powersOf(tensor);
    for (let row = 0; row < rows; row++) {
      const owed = steps - (seen?.[row] ?? steps);
      if (owed === 0) continue;
      const factor = power(owed);
      for (let i = row * rowLength; i < (row + 1) * rowLength; i++) slot[i] = Math.fround(slot[i] * factor);
    }
  }
}

function rebase(account: Account): void {
  const by = account.steps - kept;
  account.steps = kept;
  account.seen = account.seen?.map((each) => Math.max(0, each - by));
}

function powerOf(rho: number, k: number): number {
  let result = 1;
  for (let square = rho, rest = k; rest > 0; rest = Math.floor(rest / 2), square *= square) {
    if (rest % 2 === 1) result *= square;
  }
  return Math.fround(result);
}
