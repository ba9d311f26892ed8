// Fifth question: what a replica more costs the trainer, and what 50 of them cost that follow 10^6 parameters at 20 updates a second.
import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { layout } from '../../src/index.ts';
import { trainer } from '../../streams/trainer.ts';
import { gradientOf } from '../kernel/gradients.ts';
import { type Row, rounded, type Scale, type Table } from '../report.ts';
import { pace } from './pace.ts';
import { Readers } from './reading.ts';

const parameters = 1_000_000;
const perSecond = 20;
const crowds = [0, 1, 10, 50];

/** Milliseconds of the trainer's process for an update, by who follows. */
export async function costTable({ smoke }: Scale): Promise<Table> {
  const count = smoke ? 5 : 200;
  const spent: Spent[] = [];
  for (const replicas of smoke ? crowds.slice(0, 2) : crowds) spent.push(await spend(replicas, count));
  const [alone] = spent;
  const rows = spent.map(
    ({ replicas, perSecond, userMs, systemMs, writingMs, otherMs }): Row => ({
      what: `${replicas} replica${replicas === 1 ? '' : 's'}`,
      'updates/s': rounded(perSecond),
      'CPU ms per update': rounded(userMs + systemMs),
      user: rounded(userMs),
      system: rounded(systemMs),
      'a replica more': replicas === 0 ? '' : rounded((userMs + systemMs - alone.userMs - alone.systemMs) / replicas),
      'of a core': rounded(((userMs + systemMs) * perSecond) / 1000),
      'writes to sockets, main thread': rounded(writingMs),
      'all else, main thread': rounded(otherMs),
    }),
  );
  const caption = [
    `A trainer of ${parameters.toLocaleString('en-US')} parameters in this process, no journal: dense gradients pushed here ${perSecond} times a second, each folded and published`,
    'in int8, about a megabyte; the replicas are plain sockets in another process. CPU time is that of the whole process, pushes included. The',
    "last two columns are of a CPU profile of the main thread: time in Node's writes to sockets, and all other time that is not idle.",
  ].join('\n');
  return { title: `what a replica costs: int8, ${perSecond} updates a second`, caption, rows };
}

interface Spent {
  readonly replicas: number;
  readonly perSecond: number;
  /** Of an update. */
  readonly userMs: number;
  readonly systemMs: number;
  readonly writingMs: number;
  readonly otherMs: number;
}

async function spend(replicas: number, count: number): Promise<Spent> {
  const model = layout({ w: [parameters] });
  const t = await trainer({ model, publish: { encoding: 'int8' }, listen: { port: 0 } });
  const gradients = { w: gradientOf(parameters).slice() };
  const push = async (updates: number): Promise<void> => {
    const pushed: Promise<unknown>[] = [];
    await pace(updates, perSecond, () => pushed.push(t.push({ gradients })));
    await Promise.all(pushed);
  };
  const port = Number(new URL(t.url as string).port);
  const readers = replicas === 0 ? undefined : await Readers.open({ peer: 'gradwire', port, count: replicas, window: 1 });
  await push(5);
  await readers?.past(5);
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  const [begun, before] = [performance.now(), process.cpuUsage()];
  await push(count);
  await readers?.past(5 + count);
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - begun) / 1000;
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  await readers?.close();
  await t.close();
  const { writing, other } = shares(profile);
  const perUpdate = (microseconds: number): number => microseconds / 1000 / count;
  return {
    replicas,
    perSecond: count / seconds,
    userMs: perUpdate(user),
    systemMs: perUpdate(system),
    writingMs: perUpdate(writing),
    otherMs: perUpdate(other),
  };
}

// the engine's own writes have no source
const writes = /^(writev|writeBuffer|writeUtf8String|writeLatin1String)$/;

/** Microseconds in writes to sockets, and in all else that is not idle. */
function shares({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): { writing: number; other: number } {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  let [writing, other] = [0, 0];
  for (const [i, id] of samples.entries()) {
    const { functionName = '', url = '' } = frames.get(id) ?? {};
    if (functionName === '(idle)') continue;
    if (url === '' && writes.test(functionName)) writing += timeDeltas[i];
    else other += timeDeltas[i];
  }
  return { writing, other };
}
