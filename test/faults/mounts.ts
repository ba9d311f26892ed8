// File systems of a test's own: a small tmpfs, an ext4 in an image file; gone afterwards, also where a test was killed.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { uvu } from 'uvu';
import { needs, skips } from '../support/needs.ts';

const prefix = 'gradwire-mounts-';
const folders: string[] = [];

/** As `needs`, for tests that also mount file systems or make namespaces: skipped where this process may not. */
export function needsRoot<T>(test: uvu.Test<T>, command: string, from?: string): (title: string, body: uvu.Callback<T>) => void {
  if (process.platform === 'linux' && spawnSync('unshare', ['--mount', 'true']).status === 0) return needs(test, command, from);
  return (title) => {
    skips.push(`${title}: needs Linux and the right to mount file systems (run it as root)`);
    test.skip();
  };
}

/** A tmpfs of so many bytes, mounted at a new path. */
export function mountTmpfs(bytes: number): string {
  const path = mountPoint();
  run('mount', '-t', 'tmpfs', '-o', `size=${bytes},mode=755`, 'gradwire', path);
  return path;
}

/** An ext4 in an image file. */
export interface Ext4 {
  readonly path: string;
  mount(): void;
  unmount(): void;
}

/** A new ext4 of so many bytes, mounted with the options that it has by itself. */
export function mountExt4(bytes: number): Ext4 {
  const path = mountPoint();
  const image = `${path}.img`;
  writeFileSync(image, '');
  truncateSync(image, bytes);
  run('mkfs.ext4', '-q', '-F', image);
  const ext4: Ext4 = { path, mount: () => run('mount', '-o', 'loop', image, path), unmount: () => run('umount', path) };
  ext4.mount();
  return ext4;
}

/** Unmounts and removes what this process has mounted, and what a process that was killed has left; for `before` and `after`. */
export function unmountAll(): void {
  const left = readdirSync(tmpdir()).filter((name) => name.startsWith(prefix) && !isAlive(Number(name.split('-')[2])));
  for (const folder of [...folders.splice(0), ...left.map((name) => join(tmpdir(), name))]) {
    // lazily: a process that was killed this moment may still be there
    for (const name of readdirSync(folder)) spawnSync('umount', ['--lazy', join(folder, name)], { stdio: 'ignore' });
    rmSync(folder, { recursive: true, force: true });
  }
}

function mountPoint(): string {
  const folder = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  folders.push(folder);
  const path = join(folder, 'mounted');
  mkdirSync(path);
  return path;
}

function run(command: string, ...parameters: string[]): void {
  execFileSync(command, parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
