// The two loops that do the arithmetic: SIMD for speed, scalar as the specification. Both give the same bits.
import type { Arena } from './arena.ts';
import { scalarKernel } from './equations.ts';
import { kernelBase64 } from './kernel.generated.ts';

/** The constants of a step, each already rounded to float32. */
export interface Constants {
  readonly rho: number;
  /** The float32 difference 1 − rho. */
  readonly omr: number;
  readonly epsilon: number;
}

/** The loops over one arena. `offset` and `length` count floats in the layout's range. */
export interface Kernel {
  /** The norm's sum: `sum` plus the float64 squares of the staged gradients, one after the other. */
  sumOfSquares(offset: number, length: number, sum: number): number;
  /** Staged gradients times `clipnorm`, divided by `norm`: two float32 roundings. */
  scale(offset: number, length: number, clipnorm: number, norm: number): void;
  /** Staged gradients cut to ±clipvalue. */
  clip(offset: number, length: number, clipvalue: number): void;
  /** One step for a contiguous range of dense tensors. */
  dense(offset: number, length: number, learningRate: number): void;
  /** One step for the first `count` staged rows of the tensor at `offset`, each accumulator first multiplied by its factor. */
  rows(offset: number, rowLength: number, count: number, learningRate: number): void;
}

interface Exports {
  sumOfSquares(g: number, length: number, sum: number): number;
  scale(g: number, length: number, clipnorm: number, norm: number): void;
  clip(g: number, length: number, clipvalue: number): void;
  dense(p: number, a: number, g: number, length: number, learningRate: number, rho: number, omr: number, epsilon: number): void;
  // biome-ignore format: one line is one signature
  rows(p: number, a: number, g: number, rows: number, factors: number, count: number, rowLength: number, learningRate: number, rho: number, omr: number, epsilon: number): void;
}

let compiled: WebAssembly.Module | undefined;

/** The kernel of that name over an arena. */
export function makeKernel(name: 'simd' | 'scalar', arena: Arena, constants: Constants): Kernel {
  return name === 'scalar' ? scalarKernel(arena, constants) : simdKernel(arena, constants);
}

function simdKernel(arena: Arena, { rho, omr, epsilon }: Constants): Kernel {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(kernelBase64), (character) => character.charCodeAt(0)));
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory: arena.memory } });
  const wasm = exports as unknown as Exports;
  const p = arena.parameters.byteOffset;
  const a = arena.accumulator.byteOffset;
  const g = arena.gradients.byteOffset;
  const rows = arena.rows.byteOffset;
  const factors = arena.factors.byteOffset;
  return {
    sumOfSquares: (offset, length, sum) => wasm.sumOfSquares(g + offset * 4, length, sum),
    scale: (offset, length, clipnorm, norm) => wasm.scale(g + offset * 4, length, clipnorm, norm),
    clip: (offset, length, clipvalue) => wasm.clip(g + offset * 4, length, clipvalue),
    dense: (offset, length, learningRate) => {
      const at = offset * 4;
      wasm.dense(p + at, a + at, g + at, length, learningRate, rho, omr, epsilon);
    },
    rows: (offset, rowLength, count, learningRate) => {
      const at = offset * 4;
      wasm.rows(p + at, a + at, g + at, rows, factors, count, rowLength, learningRate, rho, omr, epsilon);
    },
  };
}
