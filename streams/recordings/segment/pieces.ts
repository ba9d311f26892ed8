// Reading a file from front to back in pieces, with a buffer of its own size whatever the file's.
import { type FileHandle, open } from 'node:fs/promises';
import { fileError } from '../disk.ts';

/** Bytes read at once, at most, unless told. */
const defaultPieceBytes = 1 << 20;

// little is read at first, since what follows may be passed over; whoever goes on soon has whole pieces
const firstBytes = 16 << 10;

/** A file being read. `need` fetches, `take` and `view` give bytes that the next `need` overwrites. */
export class Pieces {
  readonly path: string;
  /** Bytes in the file when it was opened. */
  readonly size: number;
  readonly #file: FileHandle;
  #buffer: Uint8Array<ArrayBuffer>;
  // the bytes of the buffer that are read and not yet taken, and where in the file the first of them stands
  #start = 0;
  #end = 0;
  #offset = 0;
  #aheadBytes = firstBytes;

  private constructor(path: string, file: FileHandle, size: number, pieceBytes: number) {
    this.path = path;
    this.size = size;
    this.#file = file;
    this.#buffer = new Uint8Array(Math.min(pieceBytes, Math.max(1, size)));
  }

  /** Opens a file for reading. Throws `E_FILE`. */
  static async open(path: string, pieceBytes: number = defaultPieceBytes): Promise<Pieces> {
    try {
      const file = await open(path, 'r');
      const { size } = await file.stat();
      return new Pieces(path, file, size, pieceBytes);
    } catch (cause) {
      throw fileError(path, cause);
    }
  }

  /** Where in the file the next byte to take stands. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes from there to the end. */
  get left(): number {
    return this.size - this.#offset;
  }

  /** Whether so many bytes can be taken without reading. */
  has(byteLength: number): boolean {
    return this.#end - this.#start >= byteLength;
  }

  /** Reads until so many bytes can be taken; the caller has seen that they are left. Throws `E_FILE`. */
  async need(byteLength: number): Promise<void> {
    if (this.has(byteLength)) return;
    this.#makeRoom(byteLength);
    while (!this.has(byteLength)) {
      const position = this.#offset + this.#end - this.#start;
      const missing = byteLength - (this.#end - this.#start);
      const room = Math.min(this.#buffer.byteLength - this.#end, Math.max(missing, this.#aheadBytes));
      this.#aheadBytes = Math.min(this.#aheadBytes * 2, this.#buffer.byteLength);
      const { bytesRead } = await this.#file.read(this.#buffer, this.#end, room, position).catch((cause) => this.#fail(cause));
      if (bytesRead === 0) this.#fail(new Error('the file became shorter while it was read'));
      this.#end += bytesRead;
    }
  }

  /** The next bytes without taking them, as a view. */
  peek(byteLength: number): DataView {
    return new DataView(this.#buffer.buffer, this.#start, byteLength);
  }

  /** Takes bytes, as a view. */
  take(byteLength: number): Uint8Array {
    const bytes = this.#buffer.subarray(this.#start, this.#start + byteLength);
    this.#start += byteLength;
    this.#offset += byteLength;
    return bytes;
  }

  /** Goes on from a place further on, or further back. The next reading fetches `aheadBytes`; as many as before unless told. */
  seek(offset: number, aheadBytes: number = this.#aheadBytes): void {
    const forward = offset - this.#offset;
    if (forward >= 0 && this.has(forward)) {
      this.take(forward);
      return;
    }
    this.#start = 0;
    this.#end = 0;
    this.#aheadBytes = aheadBytes;
    this.#offset = offset;
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  #makeRoom(byteLength: number): void {
    const rest = this.#buffer.subarray(this.#start, this.#end);
    if (byteLength > this.#buffer.byteLength) this.#buffer = new Uint8Array(byteLength);
    this.#buffer.set(rest);
    this.#start = 0;
    this.#end = rest.byteLength;
  }

  #fail(cause: unknown): never {
    throw fileError(this.path, cause);
  }
}
