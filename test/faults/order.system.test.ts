// The order of calls, against a disk that keeps nothing it was not told to: no bytes without a sync, no name without its directory's.
// watchdog: 400 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { needs } from '../support/needs.ts';
import { bundle, removeBundles } from './bundle.ts';
import { type Event, events } from './strace.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradwire-order-'));
test.after(() => {
  rmSync(folder, { recursive: true, force: true });
  removeBundles();
});

/** A disk as unkind as it may be, and what has been promised of it. */
class Disk {
  readonly #directory: string;
  /** Files with bytes that are not on disk, and names that are not. */
  readonly #bytes = new Set<string>();
  readonly #names = new Set<string>();
  /** Files that are there. */
  readonly #files = new Set<string>();
  /** Files that were read since the epoch was claimed; snapshots that were read since they were made. */
  readonly #read = new Set<string>();
  /** Segments that have their head. */
  readonly #headed = new Set<string>();
  #claimed = false;
  /** Writes to segments beyond their heads. */
  #groups = 0;
  acks = 0;
  removed = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Takes the next call. Throws where it comes too early. */
  take({ call, text, said }: Event): void {
    if (said !== undefined) this.#hear(said);
    if (/ = -1 /.test(text)) return;
    const paths = [...text.matchAll(/["<](\/[^">]*)[">]/g)]
      .map(([, path]) => path)
      .filter((path) => path.startsWith(this.#directory));
    const [path, target] = paths.map((each) => (each === this.#directory ? '.' : basename(each)));
    if (path === undefined) return;
    if (call === 'openat') this.#open(path, text.includes('O_CREAT'));
    else if (/write/.test(call) || call === 'ftruncate') this.#write(path);
    else if (call === 'fsync' && path === '.') this.#names.clear();
    else if (call === 'fsync' || call === 'fdatasync') this.#bytes.delete(path);
    else if (call === 'rename') this.#rename(path, target);
    else if (call === 'unlink') this.#remove(path);
  }

  #open(path: string, creates: boolean): void {
    if (!creates) this.#read.add(path);
    else if (!this.#files.has(path)) {
      this.#names.add(path);
      this.#files.add(path);
    }
  }

  #write(path: string): void {
    this.#bytes.add(path);
    if (!path.endsWith('.mcap')) return;
    if (this.#headed.has(path)) this.#groups += 1;
    this.#headed.add(path);
  }

  #rename(path: string, target: string): void {
    assert.not(this.#bytes.has(path), `${target} gets its name before its bytes are on disk`);
    this.#files.delete(path);
    this.#files.add(target);
    this.#names.delete(path);
    this.#names.add(target);
    this.#read.delete(target);
    if (target !== 'epoch.json' || this.#claimed) return;
    this.#claimed = true;
    this.#read.clear();
  }

  #remove(path: string): void {
    this.#files.delete(path);
    this.#names.delete(path);
    if (!/^(snap|seg)-.*(safetensors|mcap)$/.test(path)) return;
    this.removed += 1;
    const snapshots = [...this.#files].filter((name) => /^snap-.*safetensors$/.test(name)).sort();
    const newest = snapshots[snapshots.length - 1];
    assert.not(this.#names.has(newest), `${path} goes before the name of ${newest} is on disk`);
    assert.ok(this.#read.has(newest), `${path} goes before ${newest} was read back`);
  }

  #hear(said: string): void {
    const segments = [...this.#files].filter((name) => name.endsWith('.mcap'));
    if (said.startsWith('ack ')) {
      this.acks += 1;
      assert.ok(this.#groups >= this.acks, `"${said}" before it is written`);
      for (const name of [...segments, 'epoch.json']) {
        assert.not(this.#bytes.has(name), `"${said}" before the bytes of ${name} are on disk`);
        assert.not(this.#names.has(name), `"${said}" before the name of ${name} is on disk`);
      }
    } else if (said.startsWith('started ')) {
      for (const name of segments.slice(0, -1)) assert.ok(this.#read.has(name), `${name} was not read after the claim`);
    } else if (said.startsWith('closed ')) {
      // the next life cannot know how this one ended: nothing may be on disk
      for (const name of segments) {
        this.#bytes.add(name);
        this.#names.add(name);
      }
      this.#claimed = false;
    }
  }
}

needs(test, 'strace')(
  'no acknowledgement before the disk has it, no name before its bytes, nothing removed before its successor is sound',
  async () => {
    const directory = join(folder, 'run');
    const disk = new Disk(directory);
    for (const event of await events(bundle('scripted.ts'), { directory, lives: [5, 7, 9] })) disk.take(event);
    assert.is(disk.acks, 9);
    assert.ok(disk.removed > 3, `only ${disk.removed} files were removed`);
  },
);

test.run();
