// Which process holds a lock, found from the kernel's own tables rather than from what a file says.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { GradwireError, quote } from '../../../src/errors.ts';

/**
 * The process that listens at an abstract local socket: its id, or undefined where the kernel does not tell, because it is of
 * another namespace, of another user, or the platform is not Linux.
 */
export async function holderOf(address: string): Promise<number | undefined> {
  if (!address.startsWith('\0')) return undefined;
  const inode = await listeningInode(`@${address.slice(1)}`);
  return inode === undefined ? undefined : await processWith(`socket:[${inode}]`);
}

/** Ends a process at once, and with it what it holds. Throws `E_LOCKED` where it may not. */
export function endHolder(directory: string, pid: number): void {
  if (pid === process.pid)
    throw new GradwireError('E_LOCKED', `${quote(directory)} is in use by this very process; close that trainer first`);
  try {
    process.kill(pid, 'SIGKILL');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ESRCH') return;
    throw new GradwireError(
      'E_LOCKED',
      `the trainer that holds ${quote(directory)} (pid ${pid}) cannot be ended: ${String(cause)}`,
      { cause },
    );
  }
}

// a line of /proc/net/unix: address, counts, protocol, flags, type, state, inode, name
const listening = '00010000';

async function listeningInode(name: string): Promise<string | undefined> {
  const table = await readFile('/proc/net/unix', 'latin1').catch(() => '');
  for (const line of table.split('\n')) {
    const [, , , flags, , , inode, found] = line.trim().split(/\s+/);
    // Node 20 fills the address up with zeros, which stand here as @
    if (found?.replace(/@+$/, '') === name && flags === listening) return inode;
  }
  return undefined;
}

async function processWith(target: string): Promise<number | undefined> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    const folder = `/proc/${pid}/fd`;
    for (const descriptor of await readdir(folder).catch(() => [])) {
      if ((await readlink(`${folder}/${descriptor}`).catch(() => '')) === target) return Number(pid);
    }
  }
  return undefined;
}
