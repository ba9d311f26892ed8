// Norm, minimum and maximum of a tensor of any dtype.
import type { Tensor } from '../../src/frames/safetensors.ts';

/** What `inspect` says of a tensor's values. */
export interface Statistics {
  readonly norm: number;
  readonly min: number;
  readonly max: number;
}

/** Statistics gathered over several arrays. */
export class Gathering {
  #squares = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  add(values: Iterable<number>): this {
    for (const value of values) {
      this.#squares += value * value;
      if (!(value >= this.#min)) this.#min = value;
      if (!(value <= this.#max)) this.#max = value;
    }
    return this;
  }

  /** Zeros where nothing was gathered. */
  result(): Statistics {
    const empty = this.#min > this.#max;
    return { norm: Math.sqrt(this.#squares), min: empty ? 0 : this.#min, max: empty ? 0 : this.#max };
  }
}

/** A tensor's statistics; NaN values show as NaN. */
export function statisticsOf(tensor: Tensor): Statistics {
  return new Gathering().add(numbersOf(tensor)).result();
}

function* numbersOf({ dtype, data }: Tensor): Iterable<number> {
  const read =
    dtype === 'F16' ? half : dtype === 'BF16' ? brain : dtype === 'F8_E4M3' ? e4m3 : dtype === 'F8_E5M2' ? e5m2 : Number;
  for (const value of data) yield read(value as number);
}

const bits = new Uint32Array(1);
const single = new Float32Array(bits.buffer);

function brain(value: number): number {
  bits[0] = value << 16;
  return single[0];
}

const half = (value: number): number => small(value, 5, 10, true);
const e5m2 = (value: number): number => small(value, 5, 2, true);
// E4M3 has no infinities: only all ones is NaN
const e4m3 = (value: number): number => ((value & 0x7f) === 0x7f ? Number.NaN : small(value, 4, 3, false));

/** A small binary float: sign, `exponentBits`, `fractionBits`. */
function small(value: number, exponentBits: number, fractionBits: number, hasInfinity: boolean): number {
  const exponent = (value >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (value & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = (value >> (exponentBits + fractionBits)) & 1 ? -1 : 1;
  if (hasInfinity && exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}
