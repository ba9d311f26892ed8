// What 200 replicas that read nothing cost a trainer: no more memory than the stated formula allows, whatever is published.
// watchdog: 300 s
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ServeOptions } from '../../streams/sockets/index.ts';
import { figure } from '../support/figures.ts';
import type { Metered } from './metered.ts';
import { join, type RawClient } from './raw.ts';

const program = fileURLToPath(new URL('metered.ts', import.meta.url));
const connections = 200;
// an update of them has 64 KiB
const length = 16_384;
const frameBytes = 4 * length + 1024;
const [backlogBytes, highWaterBytes] = [8 << 20, 256 << 10];
const day = 86_400_000;
// nobody is cut off for standing still, so that each costs all that it can
const limits: ServeOptions = { backlogBytes, highWaterBytes, stallMs: day, pingMs: day, pongMs: day };

/** The formula, where no batch is in flight. */
const bound = backlogBytes + connections * (highWaterBytes + frameBytes);

const kinds = ['rss', 'external', 'arrayBuffers'] as const;

/** What has happened, with bytes by which memory has grown. */
interface Outcome {
  readonly grown: Readonly<Record<(typeof kinds)[number], number>>;
  /** Bytes that wait for a reader, at most. */
  readonly buffered: number;
  readonly standing: number;
  readonly published: number;
}

/** A trainer that 200 readers join and do not read, each at other versions, and that goes on. */
async function measure(more: ServeOptions = {}): Promise<Outcome> {
  const execArgv = ['--import', 'tsx', '--expose-gc'];
  const child = fork(program, [JSON.stringify([{ ...limits, ...more }, length])], { execArgv });
  const clients: RawClient[] = [];
  const step = async (steps: number): Promise<Metered> => {
    child.send(steps);
    const [said] = (await once(child, 'message')) as [Metered];
    return said;
  };
  try {
    await once(child, 'message');
    const before = await step(500);
    for (let i = 0; i < connections; i++) {
      const { client } = await join(Number(new URL(before.url).port), { role: 'replica' });
      client.socket.pause();
      clients.push(client);
      // what waits for one is not what waits for another: each high water is of frames of its own
      await step(4);
    }
    const after = await step(1000);
    const status = (await (await fetch(`${before.url}/models/default`)).json()) as Status;
    const grown = Object.fromEntries(kinds.map((kind) => [kind, after[kind] - before[kind]])) as Outcome['grown'];
    const standing = status.connections.filter(({ lag }) => lag > 0);
    const buffered = Math.max(...standing.map(({ bufferedAmount }) => bufferedAmount));
    return { grown, buffered, standing: standing.length, published: (status.version - 500) * frameBytes };
  } finally {
    child.kill('SIGKILL');
    for (const client of clients) client.end();
  }
}

interface Status {
  readonly version: number;
  readonly connections: readonly { readonly lag: number; readonly bufferedAmount: number }[];
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

test('200 replicas that read nothing take no more memory than backlog + connections × (high water + frame)', async () => {
  const { grown, buffered, standing, published } = await measure();
  assert.is(standing, connections);
  assert.ok(published > 10 * backlogBytes, 'the backlog went round many times');
  assert.ok(buffered < highWaterBytes + frameBytes, `${buffered} bytes wait for one reader`);
  for (const kind of kinds) assert.ok(grown[kind] <= bound, `${kind} grew by ${mib(grown[kind])} of ${mib(bound)}`);
  // otherwise it would be kept without the limits too
  assert.ok(grown.arrayBuffers > bound / 4, `${mib(grown.arrayBuffers)} is far from ${mib(bound)}`);
  const said = kinds.map((kind) => `${kind} ${mib(grown[kind])}`).join(', ');
  figure(`${connections} paused readers, ${mib(published)} published: grown by ${said}; the formula allows ${mib(bound)}`);
});

test('control: with a high water that no reader reaches the same readers take more than that', async () => {
  const { grown, standing } = await measure({ highWaterBytes: 2 ** 30 });
  assert.is(standing, 0, 'everything was given to the sockets');
  for (const kind of kinds) assert.ok(grown[kind] > bound, `${kind} grew by ${mib(grown[kind])} of ${mib(bound)}`);
  const said = kinds.map((kind) => `${kind} ${mib(grown[kind])}`).join(', ');
  figure(`control, without the high water: grown by ${said}`);
});

test.run();
