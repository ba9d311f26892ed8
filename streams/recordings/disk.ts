// The disk: files that are written whole or not at all, directories that keep their names, and errors with a code.
import type { BigIntStats } from 'node:fs';
import { type FileHandle, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { GradwireError, quote } from '../../src/errors.ts';

/** The part of a file handle that writing needs. */
export type WritableFile = Pick<FileHandle, 'writev' | 'datasync' | 'sync' | 'stat' | 'truncate' | 'close'>;

/** Makes a file that must not exist yet, and opens it for writing. */
export type CreateFile = (path: string) => Promise<WritableFile>;

/** `open(path, 'wx')` of node:fs/promises. */
export const createFile: CreateFile = (path) => open(path, 'wx', 0o644);

// the kernel takes 1,024 buffers in one call, and less than 2 GiB
const mostBuffers = 1024;
const mostBytes = 64 << 20;

/** Writes all bytes of all parts from `position` on, in as many calls as it takes: one call may write less than it was given. */
export async function writeFully(
  file: Pick<WritableFile, 'writev'>,
  parts: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = parts.flatMap(slices);
  let at = position;
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(upTo(rest, mostBytes), at);
    if (bytesWritten === 0) throw new Error('the disk took no more bytes');
    rest = after(rest, bytesWritten);
    at += bytesWritten;
  }
}

/** How a whole file gets there. */
interface WholeOptions {
  /** May object before the name is there. */
  readonly confirm?: () => Promise<void>;
  /** What it is called until it is whole; no other process may have begun such a file. `<path>.tmp`, whosoever, unless told. */
  readonly temporary?: string;
}

/**
 * Writes a file that is whole, and on disk, as soon as its name is there; gives what it is known by.
 *
 * @throws GradwireError `E_DISK`; what had the name before is as it was.
 */
export async function writeWhole(
  path: string,
  parts: readonly Uint8Array[],
  { confirm = async () => undefined, temporary: own }: WholeOptions = {},
): Promise<BigIntStats> {
  const temporary = own ?? `${path}.tmp`;
  const opened = open(temporary, own === undefined ? 'w' : 'wx', 0o644);
  const file = await opened.catch((cause) => Promise.reject(diskError(path, cause)));
  let written: BigIntStats;
  try {
    try {
      await writeFully(file, parts, 0);
      // the rename would otherwise reach the disk before the bytes do
      await file.sync();
      // looked at here: after the rename another file may have the name
      written = await file.stat({ bigint: true });
    } finally {
      await file.close();
    }
    await confirm();
    await rename(temporary, path);
    await syncDirectory(dirname(path));
    return written;
  } catch (cause) {
    await removeFile(temporary);
    throw cause instanceof GradwireError ? cause : diskError(path, cause);
  }
}

/** Removes a file, also one that is not there. Throws `E_DISK`. */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((cause) => {
    if (!failedWith(cause, 'ENOENT')) throw diskError(path, cause);
  });
}

/**
 * Makes a directory and those that lead to it; gives the topmost that was made. Throws `E_FILE`.
 *
 * Node's own recursive `mkdir` never returns where a file system answers ENOENT though the parent is there, as `/proc` does.
 */
export async function makeDirectory(path: string): Promise<string | undefined> {
  try {
    return await makeEach(resolve(path));
  } catch (cause) {
    throw new GradwireError('E_FILE', `cannot make the directory ${quote(path)}: ${messageOf(cause)}`, { cause });
  }
}

async function makeEach(path: string): Promise<string | undefined> {
  if (await isDirectory(path)) return undefined;
  const topmost = path === dirname(path) ? undefined : await makeEach(dirname(path));
  await mkdir(path);
  return topmost ?? path;
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Makes a directory remember the names in it. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open a directory, and keeps names by itself
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Makes what any process has written to a file durable. Throws `E_DISK`. */
export async function syncFile(path: string): Promise<void> {
  try {
    const file = await open(path, 'r+');
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw lostError(path, cause);
  }
}

// what a sender waits before it sends a batch again that the disk did not take
const retryAfterMs = 1000;

/** A write failed and left nothing behind: it may go well later. An input/output error is {@link lostError}. */
export function diskError(path: string, cause: unknown): GradwireError {
  if (failedWith(cause, 'EIO')) return lostError(path, cause);
  const text = `writing ${quote(basename(path))} failed: ${messageOf(cause)}; nothing of it was acknowledged; make room on the disk, and it goes on`;
  return new GradwireError('E_DISK', text, { cause, retryable: true, retryAfterMs });
}

/** What was written may be on disk or not, and a second try could lie: only reading it again, at a new start, can tell. */
export function lostError(path: string, cause: unknown): GradwireError {
  const text = `the disk failed with ${quote(basename(path))}: ${messageOf(cause)}; nothing of it was acknowledged; check the disk and start again`;
  return new GradwireError('E_DISK_FAILED', text, { cause });
}

/** What is in the way of a new file. */
export function existsError(path: string, cause?: unknown): GradwireError {
  const text = `${quote(path)} is there already (EEXIST); nothing was written over it; choose a new name`;
  return new GradwireError('E_FILE', text, { cause });
}

/** What became of a read that failed. */
export function fileError(path: string, cause: unknown): GradwireError {
  return cause instanceof GradwireError
    ? cause
    : new GradwireError('E_FILE', `reading ${quote(path)} failed: ${messageOf(cause)}`, { cause });
}

/** Whether a file system call failed with this code, as in `ENOENT`. */
export function failedWith(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === code;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function slices(part: Uint8Array): Uint8Array | Uint8Array[] {
  if (part.byteLength === 0) return [];
  if (part.byteLength <= mostBytes) return part;
  return Array.from({ length: Math.ceil(part.byteLength / mostBytes) }, (_, i) =>
    part.subarray(i * mostBytes, (i + 1) * mostBytes),
  );
}

/** The first parts, as many as one call takes; at least one. */
function upTo(parts: readonly Uint8Array[], limit: number): Uint8Array[] {
  let count = 1;
  let bytes = parts[0].byteLength;
  while (count < Math.min(parts.length, mostBuffers) && bytes + parts[count].byteLength <= limit)
    bytes += parts[count++].byteLength;
  return parts.slice(0, count);
}

/** What is left once `written` bytes of the parts are on disk. */
function after(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  let done = written;
  let i = 0;
  while (i < parts.length && parts[i].byteLength <= done) done -= parts[i++].byteLength;
  return i === parts.length ? [] : [parts[i].subarray(done), ...parts.slice(i + 1)];
}
