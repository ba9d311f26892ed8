// What can be exported: named arrays, whose sizes are known before their bytes come.
import type { Dtype } from '../../../../src/frames/safetensors.ts';

/** An array to write. */
export interface ArraySpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** A file of arrays being written: each array's bytes come in order, those of different arrays in any order. */
export interface ArrayFile {
  /** The next bytes of the array `i`. Throws `E_FILE`. */
  append(i: number, bytes: Uint8Array): Promise<void>;
  /** Ends the file; then it has its name. Throws `E_FILE`. */
  finish(): Promise<void>;
  /** Removes what was written. */
  abandon(): Promise<void>;
}

/** Arrays and how their bytes are got. */
export interface ArraySource {
  readonly arrays: readonly ArraySpec[];
  /** What a safetensors file says beside them. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly version: number | undefined;
  /** Appends all bytes of all arrays. */
  readonly fill: (file: Pick<ArrayFile, 'append'>) => Promise<void>;
}
