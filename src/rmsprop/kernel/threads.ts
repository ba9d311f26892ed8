// Threads on one arena: the calling thread and its helpers take blocks of a range, as fast as each comes to them.
import type { ArenaMemory } from './arena.ts';
import { blockLength, threadIntegers } from './control.ts';
import type { KernelExports } from './kernel.ts';

/** What starts helpers for an arena. `startThreads` of `gradwire/threads` gives one, and whoever called it closes it. */
export interface Threads {
  /** Threads that work on a range, the calling one included. */
  readonly count: number;
  /** Starts helpers on a shared memory; the function it returns ends them, which {@link dismiss} has sent home before. */
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
  readonly #memory: ArenaMemory;
  readonly #shared: Int32Array;
  readonly #detach: () => void;

  constructor(memory: ArenaMemory, threads: Threads) {
    this.#memory = memory;
    this.#shared = integersOf(memory);
    this.#detach = threads.attach(memory);
  }

  /** Whether a range is long enough for several threads, and helpers may be there. */
  worthwhile(length: number): boolean {
    // who ends helpers dismisses them first: nothing is offered to one that may be ended while it works
    return length >= leastLength && Atomics.load(this.#shared, over) === 0;
  }

  /** Runs passes over a range. Returns when all of it is done; a helper that is late, or was ended before it took any, is not waited for. */
  run(wasm: KernelExports, passes: number, formula: number, offset: number, length: number): void {
    const shared = this.#shared;
    // nobody reads these while `open` is 0 and nobody is active; the store to `open` publishes them, and the arena's floats
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
    // what a helper has taken it finishes; its subtraction publishes what it wrote. Who becomes active from here on finds `open` 0
    while (Atomics.load(shared, active) > 0);
  }

  /** Ends the helpers; what is run then the calling thread does alone. */
  close(): void {
    dismiss(this.#memory);
    this.#detach();
  }
}

/** Tells all helpers of a memory, and its crew, that their work is over, for good. Between runs, before helpers are ended. */
export function dismiss(memory: ArenaMemory): void {
  const shared = integersOf(memory);
  Atomics.store(shared, over, 1);
  Atomics.add(shared, sequence, 1);
  Atomics.notify(shared, sequence);
}

/** A helper's whole life: takes its share of every pass until it is dismissed. Blocks its thread. */
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

// takes blocks until none are left; `next` stays below 2^31: models have at most 2^28 floats, and threads pass the end by one taking each
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
