// The memory an optimizer works in: one WebAssembly memory, sized once, which the scalar and the SIMD kernel share.
import type { Layout } from '../../layout.ts';
import {
  blockLength,
  constantCount,
  constantsByteOffset,
  controlByteLength,
  longRow,
  regions,
  regionsByteOffset,
  shortRows,
  spareByteOffset,
} from './control.ts';

/** Slots that not every optimizer has. */
export interface ArenaOptions {
  readonly centered: boolean;
  readonly momentum: boolean;
  readonly average: boolean;
  readonly gradientSum: boolean;
  /** Whether threads share it. */
  readonly shared: boolean;
}

/** A WebAssembly memory, said without the names of an engine's own types. */
export interface ArenaMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
}

/** Regions of one memory; offsets in all that hold a float for each parameter are those of the layout. A slot that is not there is empty. */
export interface Arena {
  readonly memory: ArenaMemory;
  /** The constants of the pass at hand, see `at`. */
  readonly constants: Float32Array;
  readonly parameters: Float32Array;
  readonly accumulator: Float32Array;
  /** The batch at hand: a dense tensor at its offset, the values of a batch of rows from that offset on. */
  readonly gradients: Float32Array;
  readonly meanGradient: Float32Array;
  readonly momentum: Float32Array;
  readonly average: Float32Array;
  readonly gradientSum: Float32Array;
  /** A sum for each block of a range. */
  readonly sums: Float64Array;
  /** Some rows of the tensor at hand. */
  readonly rows: Int32Array;
  /** What each row's slots are multiplied by before the step: rho to the number of batches that left it out. */
  readonly factors: Float32Array;
}

const pageBytes = 65_536;
// rows that the kernel is given in one call: a batch may have more
const rowsAtATime = 4096;
// regions of equal length a multiple of 4 KiB apart would share cache sets, and stores would seem to hit loads
const staggerBytes = 64 * 9;

/** Regions for a model, all zero. */
export function makeArena(model: Layout, { centered, momentum, average, gradientSum, shared }: ArenaOptions): Arena {
  const mostRows = model.tensors.reduce((most, { rows }) => Math.max(most, Math.min(rows, rowsAtATime)), 0);
  const each = model.length;
  const { spare, whole } = spareOf(each);
  const lengths: Record<(typeof regions)[number], number> = {
    parameters: whole,
    accumulator: whole,
    gradients: each + 4,
    meanGradient: centered ? whole : 0,
    momentum: momentum ? whole : 0,
    average: average ? whole : 0,
    gradientSum: gradientSum ? each : 0,
    sums: 2 * (Math.ceil(each / blockLength) + 1),
    rows: mostRows,
    factors: mostRows,
  };
  let end = controlByteLength;
  const offsets = regions.map((name) => {
    const offset = end;
    end = align(offset + lengths[name] * 4 + (lengths[name] > 0 ? staggerBytes : 0));
    return offset;
  });
  const pages = Math.ceil(end / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  const { buffer } = memory;
  new Uint32Array(buffer, regionsByteOffset, regions.length).set(offsets);
  new Uint32Array(buffer, spareByteOffset, 1)[0] = spare;
  const floats = (name: (typeof regions)[number], length = Math.min(lengths[name], each)) =>
    new Float32Array(buffer, offsets[regions.indexOf(name)], length);
  return {
    memory,
    constants: new Float32Array(buffer, constantsByteOffset, constantCount),
    parameters: floats('parameters'),
    accumulator: floats('accumulator'),
    gradients: floats('gradients'),
    meanGradient: floats('meanGradient'),
    momentum: floats('momentum'),
    average: floats('average'),
    gradientSum: floats('gradientSum'),
    sums: new Float64Array(buffer, offsets[regions.indexOf('sums')], lengths.sums / 2),
    rows: new Int32Array(buffer, offsets[regions.indexOf('rows')], mostRows),
    factors: floats('factors', mostRows),
  };
}

// short rows are worked on behind the values
function spareOf(length: number): { spare: number; whole: number } {
  const spare = Math.ceil(length / 4) * 4;
  return { spare, whole: spare + shortRows * (longRow - 1) + 4 };
}

function align(byteLength: number): number {
  return Math.ceil(byteLength / 64) * 64;
}
