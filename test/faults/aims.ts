// Where kills are aimed: at any moment, or at one that is known to be delicate; and whether a kill has hit it.
import { readdirSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Random, whole } from '../support/random.ts';
import type { Life } from './lives.ts';

/** The moments. */
export const aims = [
  'any moment',
  'the instant of an ack',
  "a snapshot's write",
  "a segment's rotation",
  'the recovery',
  'the close',
] as const;
export type Aim = (typeof aims)[number];

/** One life out of three ends at any moment, the others at a delicate one. */
export function aimOf(random: Random): Aim {
  return aims[Math.max(0, whole(random, -1, aims.length - 1))];
}

/** Where and when to look. */
export interface Sights {
  readonly directory: string;
  readonly random: Random;
  /** Resolves at the next ack that any worker hears. */
  readonly nextAck: () => Promise<void>;
}

/** Ends a life with SIGKILL when its moment has come; true where it was hit, by what the dead process has left. */
export async function kill(aim: Aim, life: Life, { directory, random, nextAck }: Sights): Promise<boolean> {
  const { child, ended, accepting } = life;
  if (aim === 'the recovery') {
    let accepted = false;
    accepting.then(
      () => (accepted = true),
      () => undefined,
    );
    await delay(whole(random, 5, 50));
    child.kill('SIGKILL');
    demandKilled(await ended);
    return !accepted;
  }
  const { epoch } = await accepting;
  if (aim === 'any moment') await delay(whole(random, 0, 200));
  else if (aim === 'the instant of an ack') {
    await delay(whole(random, 0, 100));
    await nextAck();
  } else if (aim === 'the close') {
    await delay(whole(random, 0, 60));
    child.kill('SIGTERM');
    await delay(whole(random, 0, 12));
  } else await sight(directory, aim === "a snapshot's write" ? /\.tmp$/ : newSegment(epoch));
  child.kill('SIGKILL');
  const how = await ended;
  if (aim !== 'the close' || how !== 0) demandKilled(how);
  if (aim === "a snapshot's write") return readdirSync(directory).some((name) => name.endsWith('.tmp'));
  if (aim === "a segment's rotation") return newestSegmentBytes(directory) < headBytes;
  return how === 'SIGKILL';
}

/** A trainer that ended by itself is no kill. */
function demandKilled(how: NodeJS.Signals | number): void {
  if (how !== 'SIGKILL') throw new Error(`the trainer ended by itself with ${how}`);
}

// a segment of the model of these tests that has its head and no batch is smaller, one with a group of batches larger
const headBytes = 3000;

/** Segments that a trainer of that epoch begins after its first. */
function newSegment(epoch: number): RegExp {
  return new RegExp(`^seg-${String(epoch).padStart(8, '0')}-`);
}

/** Resolves when a name that fits appears in a directory, or after two seconds. */
async function sight(directory: string, pattern: RegExp): Promise<void> {
  const had = new Set(readdirSync(directory).filter((name) => name.startsWith('seg-')));
  const controller = new AbortController();
  const late = setTimeout(() => controller.abort(), 2000);
  await new Promise<void>((resolve) => {
    controller.signal.addEventListener('abort', () => resolve());
    watch(directory, { signal: controller.signal }, (_, name) => {
      if (name === null || !pattern.test(name) || had.has(name)) return;
      controller.abort();
    });
  });
  clearTimeout(late);
}

function newestSegmentBytes(directory: string): number {
  const newest = readdirSync(directory)
    .filter((name) => /^seg-.*\.mcap$/.test(name))
    .sort()
    .at(-1);
  return newest === undefined ? 0 : statSync(join(directory, newest)).size;
}
