// The memory an optimizer works in: one WebAssembly memory, sized once, which the scalar and the SIMD kernel share.
import type { Layout } from '../layout.ts';

/** Regions of one memory; offsets inside `parameters`, `accumulator` and `gradients` are those of the layout. */
export interface Arena {
  readonly memory: WebAssembly.Memory;
  readonly parameters: Float32Array<ArrayBuffer>;
  readonly accumulator: Float32Array<ArrayBuffer>;
  /** The batch at hand: a dense tensor at its offset, the values of a batch of rows from that offset on. */
  readonly gradients: Float32Array<ArrayBuffer>;
  /** The rows of the tensor at hand, as many as the largest tensor has. */
  readonly rows: Int32Array<ArrayBuffer>;
  /** What each row's accumulator is multiplied by before the step: rho to the number of batches that left it out. */
  readonly factors: Float32Array<ArrayBuffer>;
}

const pageBytes = 65_536;

/** Regions for a model, all zero. */
export function makeArena(model: Layout): Arena {
  const mostRows = model.tensors.reduce((most, { rows }) => Math.max(most, rows), 0);
  const sizes = [model.length, model.length, model.length, mostRows, mostRows].map((length) => align(length * 4));
  const offsets = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const pages = Math.max(1, Math.ceil(total / pageBytes));
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const floats = (i: number, length: number) => new Float32Array(memory.buffer, offsets[i], length);
  return {
    memory,
    parameters: floats(0, model.length),
    accumulator: floats(1, model.length),
    gradients: floats(2, model.length),
    rows: new Int32Array(memory.buffer, offsets[3], mostRows),
    factors: floats(4, mostRows),
  };
}

function align(byteLength: number): number {
  return Math.ceil(byteLength / 64) * 64;
}
