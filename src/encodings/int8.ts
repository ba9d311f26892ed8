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

/** Finite values as codes. A block's scale is its largest magnitude / 127; 0, with codes 0, where that is too small for float32. */
export function toCodes(values: Float32Array, blockLength: number): Codes {
  const scale = new Float32Array(blocksOf(values.length, blockLength));
  const codes = new Int8Array(values.length);
  const length = blockLengthOf(values.length, scale.length);
  for (let block = 0; block < scale.length; block++) {
    const start = block * length;
    const end = Math.min(start + length, values.length);
    let largest = 0;
    for (let i = start; i < end; i++) {
      const magnitude = Math.abs(values[i]);
      if (magnitude > largest) largest = magnitude;
    }
    const isHuge = largest >= huge;
    scale[block] = isHuge ? floor32(largest / 127) : largest / 127;
    const inverse = scale[block] > 0 ? 1 / scale[block] : 0;
    const half = isHuge ? 0 : 0.5;
    for (let i = start; i < end; i++) {
      const ratio = values[i] * inverse;
      const code = ratio < 0 ? (ratio - half) | 0 : (ratio + half) | 0;
      codes[i] = code > 127 ? 127 : code < -127 ? -127 : code;
    }
  }
  return { codes, scale };
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
