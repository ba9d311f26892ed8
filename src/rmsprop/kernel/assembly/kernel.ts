// The SIMD kernel, in AssemblyScript: four float32 lanes at a time, in the order of ../equations.ts, which is its specification.
// Compiled by build.mjs beside it into ../kernel.generated.ts. Pointers are byte addresses in the arena's memory.
import { blockBytes, P, G, SUMS, region } from './memory';
import { block } from './passes';

/** Passes over `length` floats from `offset`, block after block; each block's sum goes to `sums[first…]`. */
export function run(passes: i32, formula: i32, offset: u32, length: u32, first: u32): void {
  let p = region(P) + (<usize>offset << 2);
  let g = region(G) + (<usize>offset << 2);
  let sums = region(SUMS) + (<usize>first << 3);
  let rest = <usize>length << 2;
  while (rest > 0) {
    const bytes = min<usize>(rest, blockBytes);
    store<f64>(sums, block(passes, formula, p, g, bytes));
    p += bytes;
    g += bytes;
    sums += 8;
    rest -= bytes;
  }
}

export { rows } from './rows';
