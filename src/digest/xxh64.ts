// xxHash64 as WebAssembly: bytes go through its memory 64 KiB at a time, and several hashes may be under way.
import { xxh64Base64 } from './xxh64.generated.ts';

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  begin(): void;
  stripes(byteLength: number): void;
  finish(total: number, rest: number): bigint;
}

const bytes = Uint8Array.from(atob(xxh64Base64), (character) => character.charCodeAt(0));
// a module of this size may be compiled at once, in the main thread of a page too
const { memory, begin, stripes, finish } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Exports;
const space = new Uint8Array(memory.buffer);
const laneBytes = 32;
const inputAt = 64;
const inputBytes = 65_536;
const longestRest = 31;

/** The hash of a few bytes, or undefined where they are more than its memory takes at once. */
export function xxh64(bytes: Uint8Array): bigint | undefined {
  const { byteLength } = bytes;
  if (byteLength > inputBytes) return undefined;
  const rest = byteLength % laneBytes;
  begin();
  space.set(bytes, inputAt);
  stripes(byteLength - rest);
  space.copyWithin(inputAt, inputAt + byteLength - rest, inputAt + byteLength);
  return BigInt.asUintN(64, finish(byteLength, rest));
}

/** A hash under way. */
export class Xxh64 {
  readonly #lanes = new Uint8Array(laneBytes);
  readonly #rest = new Uint8Array(longestRest);
  #restLength = 0;
  #total = 0;

  constructor() {
    begin();
    this.#lanes.set(space.subarray(0, laneBytes));
  }

  /** Takes in bytes. */
  update(part: Uint8Array): void {
    this.#enter();
    let held = this.#restLength;
    for (let offset = 0; offset < part.byteLength; ) {
      const piece = part.subarray(offset, offset + inputBytes - held);
      space.set(piece, inputAt + held);
      held += piece.byteLength;
      offset += piece.byteLength;
      const whole = held - (held % laneBytes);
      stripes(whole);
      space.copyWithin(inputAt, inputAt + whole, inputAt + held);
      held -= whole;
    }
    this.#total += part.byteLength;
    this.#restLength = held;
    this.#rest.set(space.subarray(inputAt, inputAt + held));
    this.#lanes.set(space.subarray(0, laneBytes));
  }

  /** The hash of all bytes so far. */
  digest(): bigint {
    this.#enter();
    return BigInt.asUintN(64, finish(this.#total, this.#restLength));
  }

  // another hash may have used the memory since
  #enter(): void {
    space.set(this.#lanes);
    space.set(this.#rest.subarray(0, this.#restLength), inputAt);
  }
}
