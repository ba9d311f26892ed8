// Where recordings of a benchmark lie: directories on a real disk, gone afterwards.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs with a directory of its own in the system's directory for temporary files. */
export async function inDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'gradwire-bench-'));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The file system there, as df names it. */
export function fileSystem(): string {
  const { stdout } = spawnSync('df', ['--output=fstype,source', tmpdir()], { encoding: 'utf8' });
  return stdout?.split('\n')[1]?.trim().replace(/\s+/, ' on ') ?? 'unknown';
}
