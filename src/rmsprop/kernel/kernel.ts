// The two loops that do the arithmetic: SIMD for speed, scalar as the specification. Both give the same bits.
import type { Arena, ArenaMemory } from './arena.ts';
import { blockLength } from './control.ts';
import { scalarKernel } from './equations.ts';
import { kernelBase64, memoryFlagsAt } from './kernel.generated.ts';
import type { Crew } from './threads.ts';

/** Passes over one arena, with the constants that stand in it. `offset` and `length` count floats in the layout's range. */
export interface Kernel {
  /** Passes over a contiguous range; the sum of squares of the pass that makes one, added to `sum` (0 unless told) block by block. */
  run(passes: number, offset: number, length: number, sum?: number): number;
  /** Passes over some rows of a tensor, each row's slots first multiplied by its factor. */
  rows(passes: number, batch: RowsAt): number;
}

/** Rows, whose indices and factors stand in the arena. */
export interface RowsAt {
  /** The tensor's offset. */
  readonly offset: number;
  readonly rowLength: number;
  /** Where their gradients are staged, one row after the other. */
  readonly staged: number;
  readonly count: number;
}

/** What the WebAssembly module exports. */
export interface KernelExports {
  run(passes: number, formula: number, offset: number, length: number, firstSum: number): void;
  rows(passes: number, formula: number, offset: number, staged: number, rowLength: number, count: number): number;
}

const modules = new Map<boolean, WebAssembly.Module>();

/** The scalar kernel over an arena. `formula` is a sum of `formulas`. */
export { scalarKernel };

/** The SIMD kernel over an arena; a crew, where there is one, takes its share of long ranges. */
export function simdKernel(arena: Arena, formula: number, crew: Crew | undefined): Kernel {
  const wasm = instantiate(arena.memory);
  const { sums } = arena;
  return {
    run(passes, offset, length, before = 0) {
      if (crew === undefined || !crew.worthwhile(length)) wasm.run(passes, formula, offset, length, 0);
      else crew.run(wasm, passes, formula, offset, length);
      let sum = before;
      for (let i = 0, blocks = Math.ceil(length / blockLength); i < blocks; i++) sum += sums[i];
      return sum;
    },
    rows: (passes, { offset, staged, rowLength, count }) => wasm.rows(passes, formula, offset, staged, rowLength, count),
  };
}

/** The module's functions over a memory; threads call it for a memory that they share. */
export function instantiate(memory: ArenaMemory): KernelExports {
  const { exports } = new WebAssembly.Instance(moduleFor(isShared(memory)), { env: { memory } });
  return exports as unknown as KernelExports;
}

// the module for shared memory differs in one flag of its import
function moduleFor(shared: boolean): WebAssembly.Module {
  let compiled = modules.get(shared);
  if (compiled === undefined) {
    const bytes = Uint8Array.from(atob(kernelBase64), (character) => character.charCodeAt(0));
    if (shared) bytes[memoryFlagsAt] |= 2;
    modules.set(shared, (compiled = new WebAssembly.Module(bytes)));
  }
  return compiled;
}

function isShared({ buffer }: ArenaMemory): boolean {
  return !(buffer instanceof ArrayBuffer);
}
