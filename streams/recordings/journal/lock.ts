// One trainer for one directory: a lock that the kernel takes back from a process that dies.
import { readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GradwireError, quote } from '../../../src/errors.ts';
import { diskError, failedWith, fileError } from '../disk.ts';
import { endHolder, holderOf } from './holder.ts';

/** A directory held by this process. */
export interface Lock {
  /** Lets others have it. */
  release(): Promise<void>;
}

/** Where a holder leaves its process id, for the message to others; it locks nothing. */
const pidName = 'trainer.pid';

/** How a lock is taken. */
interface LockOptions {
  /** Ends a process that holds the directory. */
  readonly takeOver?: boolean;
  /** Where a lock of that name listens; the platform's own unless told. */
  readonly addressOf?: (id: string) => string;
}

/**
 * Holds a directory until it is released or the process ends, however it ends: the lock is a listening local socket named
 * after the directory's device and inode. It is seen by processes of the same machine and network namespace; behind it
 * stands the epoch, which only one of two trainers can make.
 *
 * @throws GradwireError `E_LOCKED` with the holder's process id.
 */
export async function lock(directory: string, { takeOver = false, addressOf = localAddress }: LockOptions = {}): Promise<Lock> {
  const { dev, ino } = await stat(directory, { bigint: true }).catch((cause) => Promise.reject(fileError(directory, cause)));
  const address = addressOf(`gradwire-${dev}-${ino}`);
  const pidFile = join(directory, pidName);
  const server = await hold(address).catch(async (error) => {
    if (takeOver && failedWith(error, 'EADDRINUSE')) return await holdInstead(directory, address);
    throw await locked(directory, pidFile, error);
  });
  const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  try {
    await writeFile(pidFile, `${process.pid}\n`);
  } catch (cause) {
    await close();
    throw diskError(pidFile, cause);
  }
  // it locks nothing: one that cannot be removed does no harm
  return {
    release: () =>
      unlink(pidFile)
        .catch(() => undefined)
        .finally(close),
  };
}

/** Listens at the address, also where a process that died has left a socket file there. */
async function hold(address: string): Promise<Server> {
  try {
    return await listen(address);
  } catch (error) {
    if (!failedWith(error, 'EADDRINUSE') || (await answers(address))) throw error;
    await unlink(address);
    return listen(address);
  }
}

// a killed process is gone, and its socket with it, within milliseconds
const takeOverMs = 10_000;

/** Ends whoever holds the address, then holds it. */
async function holdInstead(directory: string, address: string): Promise<Server> {
  const pid = await holderOf(address);
  if (pid === undefined) {
    const text = `which process holds ${quote(directory)} cannot be told here; stop that trainer yourself, then start without taking over`;
    throw new GradwireError('E_LOCKED', text);
  }
  endHolder(directory, pid);
  for (const endMs = performance.now() + takeOverMs; ; await delay(5)) {
    try {
      return await hold(address);
    } catch (cause) {
      const gone = !failedWith(cause, 'EADDRINUSE');
      if (gone || performance.now() > endMs)
        throw new GradwireError('E_LOCKED', `${quote(directory)} is still in use, after pid ${pid} was killed`, { cause });
    }
  }
}

/** A name in the kernel's own space, where there is one; else a socket file. */
function localAddress(id: string): string {
  if (process.platform === 'linux') return `\0${id}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${id}` : join(tmpdir(), `${id}.sock`);
}

function listen(address: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(address, () => {
      // the lock does not keep a program running
      server.unref();
      resolve(server);
    });
  });
}

/** Whether a process listens there. */
function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => done(true));
    socket.once('error', (error) => done(!failedWith(error, 'ECONNREFUSED') && !failedWith(error, 'ENOENT')));
  });
}

async function locked(directory: string, pidFile: string, cause: unknown): Promise<GradwireError> {
  if (!failedWith(cause, 'EADDRINUSE')) {
    return new GradwireError('E_LOCKED', `${quote(directory)} cannot be locked: ${String(cause)}`, { cause });
  }
  const holder = /^\d{1,10}$/.exec((await readFile(pidFile, 'utf8').catch(() => '')).trim())?.[0] ?? 'unknown';
  const text = `${quote(directory)} is in use by another trainer (pid ${holder}); stop it first, take over from it, or use another directory`;
  return new GradwireError('E_LOCKED', text, { cause });
}
