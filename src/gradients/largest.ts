// The largest magnitude among float32 values, as WebAssembly: they go through its memory a page at a time.
import { largestBase64 } from './largest.generated.ts';

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  largest(byteLength: number): number;
}

const bytes = Uint8Array.from(atob(largestBase64), (character) => character.charCodeAt(0));
// a module of this size may be compiled at once, in the main thread of a page too
const { memory, largest } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Exports;
const page = new Float32Array(memory.buffer);
// it is searched in steps of so many floats
const step = 16;

/** The largest magnitude among the values as the bits of a float32, 0 of none: in the order of the floats, infinity and NaN above them all. */
export function largestBits(values: Float32Array): number {
  if (values.length <= page.length) return largestOfPage(values);
  let most = 0;
  for (let first = 0; first < values.length; first += page.length)
    most = Math.max(most, largestOfPage(values.subarray(first, first + page.length)));
  return most;
}

function largestOfPage(values: Float32Array): number {
  const end = Math.ceil(values.length / step) * step;
  page.set(values);
  page.fill(0, values.length, end);
  return largest(end * Float32Array.BYTES_PER_ELEMENT);
}
