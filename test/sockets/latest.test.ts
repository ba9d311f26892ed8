// Mode `latest` at a client of ours behind a wire that stands still: skipped to the newest state, never of two versions at once.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, digestOf } from '../../src/digest.ts';
import type { EncodingName } from '../../src/encodings/names.ts';
import { layout } from '../../src/layout.ts';
import { connect, type RemoteReplica } from '../../streams/sockets/index.ts';
import { trainer } from '../../streams/trainer.ts';
import { ChaosProxy } from '../support/proxy.ts';
import { until } from './connected.ts';

// an update has 256 KiB in f32, so that a hundred are far more than sockets and kernel hold
const model = layout({ a: [128, 256], b: [128, 256] });
const values = (version: number): Float32Array =>
  Float32Array.from({ length: 32_768 }, (_, i) => Math.sin((version + 1) * (i + 1)));
const many = 256 << 20;
const day = 86_400_000;

/** What a replica was seen with. */
interface Seen {
  readonly versions: number[];
  readonly kinds: Set<string>;
  /** Looks, and those that found weights which are not the trainer's at that version. */
  looks: number;
  readonly wrong: number[];
}

/** Looks at a replica after each frame, and whenever the event loop has a turn for it. */
function watch(replica: RemoteReplica, digests: ReadonlyMap<number, ReadonlySet<string>>): Seen {
  const seen: Seen = { versions: [], kinds: new Set(), looks: 0, wrong: [] };
  const look = (): void => {
    if (!replica.readable) return;
    seen.looks += 1;
    replica.read((weights, { version }) => {
      const right = digests.get(version)?.has(digestOf(bytesOf(weights.get('a')), bytesOf(weights.get('b'))));
      if (!right) seen.wrong.push(version);
    });
  };
  replica.updates$.subscribe(({ version, kind }) => {
    seen.versions.push(version);
    seen.kinds.add(kind);
    look();
  });
  const looking = setInterval(look, 1);
  void replica.closed.then(() => clearInterval(looking));
  return seen;
}

for (const [encoding, steps] of [
  ['f32', 100],
  ['int8', 300],
] as const satisfies readonly (readonly [EncodingName, number])[]) {
  test(`a replica in mode latest is skipped to the newest state in ${encoding}, and is whole at every moment`, async () => {
    // nobody is cut off for standing still, however long the steps take
    const limits = { highWaterBytes: 512 << 10, backlogBytes: many, stallMs: day, pingMs: day, pongMs: day };
    const t = await trainer({
      model,
      optimizer: { lr: 0.01 },
      listen: { port: 0, ...limits },
      publish: { encoding, settleMs: 50 },
    });
    const digests = new Map([[0, new Set([t.digest()])]]);
    t.updates$.subscribe(({ version }) => digests.set(version, (digests.get(version) ?? new Set()).add(t.digest())));
    const proxy = await ChaosProxy.start(Number(new URL(t.url).port));
    const [latest, every] = (['latest', 'every'] as const).map((mode) => connect(proxy.url, { mode }));
    const [skipped, all] = [latest, every].map((each) => watch(each, digests));
    const step = (): Promise<unknown> => t.push({ a: values(t.version), b: values(t.version + 7) });
    await Promise.all([latest.ready, every.ready]);
    await step();
    await Promise.all([latest.reached(1), every.reached(1)]);
    proxy.stall('down', true);
    while (t.version < steps) await step();
    proxy.stall('down', false);
    await Promise.all([latest.reached(steps), every.reached(steps)]);
    // one that is skipped goes on with updates
    await step();
    await Promise.all([latest.reached(steps + 1), every.reached(steps + 1)]);
    const versions = Array.from({ length: steps + 2 }, (_, i) => i);
    assert.equal([...new Set(all.versions)], versions, 'control: mode every has each of them');
    const had = [...new Set(skipped.versions)];
    assert.ok(had.length < steps * 0.9, `${had.length} of ${steps} versions`);
    assert.equal(
      had,
      [...had].sort((a, b) => a - b),
    );
    assert.equal([skipped.wrong, all.wrong], [[], []]);
    assert.ok(skipped.looks > skipped.versions.length && skipped.kinds.size === 2);
    assert.equal([latest.counts.troubles, latest.counts.connections], [0, 1]);
    // what an encoding owes comes a little later
    await until(() => latest.digest() === t.digest() && every.digest() === t.digest());
    for (const each of [latest, every, proxy, t]) await each.close();
  });
}

test.run();
