// int8: blocks of values as codes from −127 to 127 with one float32 scale for each block; a value is code · scale in float32.
import { floor32 } from '../floats.ts';

/**
 * 8-bit codes as a frame carries them. The values are cut into as many blocks as there are scales, each
 * {@link blockLengthOf} long, the last one what remains.
 */
export interface Codes {
  readonly codes: Int8Array;
  readonly scale: Float32Array;
}

/** How long the blocks are, by the number of values and of scales. */
export function blockLengthOf(values: number, scales: number): number {
  return scales === 0 ? 0 : Math.ceil(values / scales);
}

/** The number of blocks in which so many values go, none longer than `blockLength`. */
export function blocksOf(values: number, blockLength: number): number {
  if (values === 0) return 0;
  // as a reader counts them, who knows the number of scales alone
  const even = Math.ceil(values / Math.ceil(values / blockLength));
  return Math.ceil(values / even);
}

// from here on codes are rounded towards zero and the scale down, so that nothing that the result is added to can overflow
const huge = 2 ** 110;

// below it a scale has fewer digits, and the largest value may be beyond 127 of them
const leastNormal = 2 ** -126;

// adding and taking away 1.5 · 2^52 rounds a double to an integer
const toInteger = 6755399441055744;

/** Finite values as codes. A block's scale is its largest magnitude / 127; 0, with codes 0, where that is too small for float32. */
export function toCodes(values: Float32Array, blockLength: number): Codes {
  const scale = new Float32Array(blocksOf(values.length, blockLength));
  const codes = new Int8Array(values.length);
  const length = blockLengthOf(values.length, scale.length);
  for (let block = 0; block < scale.length; block++) {
    const part = values.subarray(block * length, (block + 1) * length);
    const largest = largestOf(part);
    const unit = largest >= huge ? floor32(largest / 127) : Math.fround(largest / 127);
    scale[block] = unit;
    const target = codes.subarray(block * length, (block + 1) * length);
    if (largest >= huge || unit < leastNormal) encodeCarefully(part, unit, target);
    else {
      const inverse = 1 / unit;
      for (let i = 0; i < part.length; i++) target[i] = part[i] * inverse + toInteger - toInteger;
    }
  }
  return { codes, scale };
}

function largestOf(values: Float32Array): number {
  let largest = 0;
  // by index, for an iterator takes three times as long
  for (let i = values.length - 1; i >= 0; i--) largest = Math.max(largest, Math.abs(values[i]));
  return largest;
}

function encodeCarefully(values: Float32Array, unit: number, codes: Int8Array): void {
  if (unit === 0) return;
  const round = unit < leastNormal ? Math.round : Math.trunc;
  for (let i = 0; i < values.length; i++) codes[i] = Math.max(-127, Math.min(127, round(values[i] / unit)));
}

/** Adds the float32 values that codes stand for to as many others. */
export function addCodes({ codes, scale }: Codes, target: Float32Array): void {
  const length = blockLengthOf(codes.length, scale.length);
  for (let block = 0; block < scale.length; block++) {
    const unit = scale[block];
    const end = Math.min((block + 1) * length, codes.length);
    for (let i = block * length; i < end; i++) target[i] += Math.fround(codes[i] * unit);
  }
}

/** Codes as the float32 values that they stand for. */
export function fromCodes({ codes, scale }: Codes): Float32Array {
  const values = new Float32Array(codes.length);
  const length = blockLengthOf(codes.length, scale.length);
  for (let block = 0; block < scale.length; block++) {
    const unit = scale[block];
    const end = Math.min((block + 1) * length, codes.length);
    for (let i = block * length; i < end; i++) values[i] = codes[i] * unit;
  }
  return values;
}
