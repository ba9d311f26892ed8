// The disk: files that are written whole or not at all, directories that keep their names, and errors with a code.
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { GradwireError, quote } from '../../src/errors.ts';

/** The part of a file handle that writing needs. */
export type WritableFile = Pick<FileHandle, 'writev' | 'datasync' | 'sync' | 'close'>;

/** Makes a file that must not exist yet, and opens it for writing. */
export type CreateFile = (path: string) => Promise<WritableFile>;

/** `open(path, 'wx')` of node:fs/promises. */
export const createFile: CreateFile = (path) => open(path, 'wx', 0o644);

// the kernel takes 1,024 buffers in one call, and less than 2 GiB
const mostBuffers = 1024;
const mostBytes = 64 << 20;

/** Writes all bytes of all parts at the file's position, in as many calls as it takes: one call may write less than it was given. */
export async function writeFully(file: WritableFile, parts: readonly Uint8Array[]): Promise<void> {
  let rest = parts.flatMap(slices);
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(upTo(rest, mostBytes));
    if (bytesWritten === 0) throw new Error('the disk took no more bytes');
    rest = after(rest, bytesWritten);
  }
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
    throw diskError(path, cause);
  }
}

/** What became of a write that failed. */
export function diskError(path: string, cause: unknown): GradwireError {
  const text = `writing ${quote(basename(path))} failed: ${messageOf(cause)}; nothing of it was acknowledged; mend the disk and start again`;
  return new GradwireError('E_DISK', text, { cause, retryable: true });
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

function slices(part: Uint8Array): Uint8Array[] {
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
