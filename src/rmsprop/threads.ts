// Threads on one arena: the calling thread and its helpers take blocks of a range, as fast as each comes to them.
import type { ArenaMemory } from './arena.ts';
import { blockLength, threadIntegers } from './control.ts';
import type { KernelExports } from './kernel.ts';

/** What starts helpers for an arena. `startThreads` of `gradwire/threads` gives one, and whoever called it closes it. */
export interface Threads {
  /** Threads that work on a range, the calling one included. */
  readonly count: number;
  /** Starts helpers on a shared memory; the function it returns ends them. */
  attach(memory: ArenaMemory): () => void;
}

// places of the integers that threads share
const sequence = 0;
const open = 1;
const active = 2;
const next = 3;
const first = 4;
const end = 5;
const which = 6;
const formulaOf = 7;
const over = 8;

// floats that a thread takes at a time: enough to be worth the taking, few enough that all end together
const takenLength = 16 * blockLength;
// below this a hand-over costs more than it saves
const leastLength = 2 * takenLength;
// looks at the sequence before a helper sleeps: about 20 µs, in which the next pass of the same step has come
const looks = 4000;

/** The calling thread's side. */
export class Crew {
  readonly #shared: Int32Array;
  readonly #detach: () => void;

  constructor(memory: ArenaMemory, threads: Threads) {
    this.#shared = integersOf(memory);
    this.#detach = threads.attach(memory);
  }

  /** Whether a range is long enough for several threads. */
  worthwhile(length: number): boolean {
    return length >= leastLength;
  }

  /** Runs passes over a range. Returns when all of it is done; a helper that is late or gone is not waited for. */
  run(wasm: KernelExports, passes: number, formula: number, offset: number, length: number): void {
    const shared = this.#shared;
    // nobody reads these while `open` is 0 and nobody is active
    shared[which] = passes;
    shared[formulaOf] = formula;
    shared[first] = offset;
    shared[end] = offset + length;
    Atomics.store(shared, next, offset);
    Atomics.store(shared, open, 1);
    Atomics.add(shared, sequence, 1);
    Atomics.notify(shared, sequence);
    work(shared, wasm);
    Atomics.store(shared, open, 0);
    // what a helper has taken it finishes
    while (Atomics.load(shared, active) > 0);
  }

  /** Ends the helpers. */
  close(): void {
    Atomics.store(this.#shared, over, 1);
    Atomics.add(this.#shared, sequence, 1);
    Atomics.notify(this.#shared, sequence);
    this.#detach();
  }
}

/** A helper's whole life: takes its share of every pass until the crew is closed. Blocks its thread. */
export function help(memory: ArenaMemory, wasm: KernelExports): void {
  const shared = integersOf(memory);
  let seen = 0;
  while (Atomics.load(shared, over) === 0) {
    Atomics.add(shared, active, 1);
    if (Atomics.load(shared, open) === 1) work(shared, wasm);
    Atomics.sub(shared, active, 1);
    for (let i = 0; i < looks && Atomics.load(shared, sequence) === seen; i++);
    Atomics.wait(shared, sequence, seen);
    seen = Atomics.load(shared, sequence);
  }
}

// takes blocks until none are left
function work(shared: Int32Array, wasm: KernelExports): void {
  const passes = shared[which];
  const formula = shared[formulaOf];
  const start = shared[first];
  const stop = shared[end];
  for (;;) {
    const from = Atomics.add(shared, next, takenLength);
    if (from >= stop) return;
    wasm.run(passes, formula, from, Math.min(takenLength, stop - from), (from - start) / blockLength);
  }
}

function integersOf({ buffer }: ArenaMemory): Int32Array {
  return new Int32Array(buffer, 0, threadIntegers);
}
