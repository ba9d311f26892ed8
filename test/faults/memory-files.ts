// Files in memory for those who read: damage can be done a hundred thousand times without a system call.
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname } from 'node:path';

const root = '/in-memory/';

/** Files that `node:fs/promises` reads as if they were on disk; their bytes may be changed at any time. */
export class MemoryFiles {
  readonly #files = new Map<string, Uint8Array>();
  readonly #real = { open: fs.open, stat: fs.stat, readdir: fs.readdir, readFile: fs.readFile };

  constructor() {
    const { open, stat, readdir, readFile } = this.#real;
    const has = (path: unknown): path is string => typeof path === 'string' && `${path}/`.startsWith(root);
    const ours = {
      open: (path: never, ...rest: never[]) => (has(path) ? this.#open(path) : open(path, ...rest)),
      stat: (path: never, ...rest: never[]) => (has(path) ? this.#stat(path) : stat(path, ...rest)),
      readdir: (path: never, ...rest: never[]) => (has(path) ? this.#list(path) : readdir(path, ...rest)),
      readFile: (path: never, ...rest: never[]) => (has(path) ? this.#read(path) : readFile(path, ...rest)),
    };
    Object.assign(fs, ours);
    syncBuiltinESMExports();
  }

  /** Puts a file there, as it is: not a copy. Gives its path. */
  put(folder: string, name: string, bytes: Uint8Array): string {
    const path = `${root}${folder}/${name}`;
    this.#files.set(path, bytes);
    return path;
  }

  /** Takes a file away. */
  remove(folder: string, name: string): void {
    this.#files.delete(`${root}${folder}/${name}`);
  }

  /** The path of a folder. */
  folder(name: string): string {
    return `${root}${name}`;
  }

  /** Gives `node:fs/promises` back as it was. */
  restore(): void {
    Object.assign(fs, this.#real);
    syncBuiltinESMExports();
  }

  #bytes(path: string): Uint8Array {
    const bytes = this.#files.get(path);
    if (bytes === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return bytes;
  }

  async #read(path: string): Promise<Uint8Array> {
    return this.#bytes(path).slice();
  }

  async #open(path: string): Promise<object> {
    const bytes = this.#bytes(path);
    return {
      stat: async () => ({ size: bytes.byteLength }),
      close: async () => undefined,
      read: async (buffer: Uint8Array, offset: number, length: number, position: number) => {
        const part = bytes.subarray(position, position + length);
        buffer.set(part, offset);
        return { bytesRead: part.byteLength };
      },
    };
  }

  async #stat(path: string): Promise<object> {
    const isDirectory = [...this.#files.keys()].some((each) => dirname(each) === path);
    return { isDirectory: () => isDirectory, size: isDirectory ? 0 : this.#bytes(path).byteLength };
  }

  async #list(path: string): Promise<string[]> {
    return [...this.#files.keys()].filter((each) => dirname(each) === path).map((each) => basename(each));
  }
}
