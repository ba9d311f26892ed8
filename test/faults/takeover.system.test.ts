// Two trainers for one directory: one is refused, takes over by force, or takes over unseen; what was acknowledged is never lost.
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { connect } from '../../streams/sockets/index.ts';
import { model } from '../recordings/runs.ts';
import { run, start } from '../support/gradwire.ts';
import { bundle, removeBundles } from './bundle.ts';
import { needsRoot } from './mounts.ts';
import { begin, given, play, recoverFrom } from './script.ts';
import { ask, batchesOf, digestOf, type Name, serve } from './served.ts';
import { beginTrace, callsAndLooks, inLanes, type Plan, type Point, plan } from './strace.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradwire-takeover-'));
test.after(() => {
  rmSync(folder, { recursive: true, force: true });
  removeBundles();
});
// each point takes minutes; otherwise some of them
const every = process.env.GRADWIRE_LONG === '1' ? 1 : 4;
// a name that locks in one network is not seen in another, as in two containers with one volume
const elsewhere = { within: ['unshare', '--net'] };

/** The program's directory after a first life; each test has its own copy. */
async function prepared(program: string): Promise<(name: string) => string> {
  const first = join(folder, 'first');
  if (!existsSync(first)) await play(program, { directory: first, lives: [3], keepAll: true });
  return (name) => {
    const directory = join(folder, name);
    cpSync(first, directory, { recursive: true });
    return directory;
  };
}

/** Stops a trainer at one of its calls, starts another that does not see its lock, and lets the first one go on. */
async function replaceAt({ call, index }: Point, program: string, planned: Plan, directory: string): Promise<string> {
  const injected = { call, what: 'signal=SIGSTOP', when: String(index) };
  const first = await beginTrace(program, { directory, lives: [8], keepAll: true }, planned, injected);
  await first.stopped();
  const second = await begin(program, { directory, lives: [10], pauseAt: 7, keepAll: true }, elsewhere);
  await second.printed('paused').catch(() => undefined);
  first.child.kill('SIGCONT');
  const old = await first.ended;
  second.child.stdin.end('go on\n');
  const next = await second.ended;
  const said = `${call} ${index}: ${old.lines.join(', ')}${old.stderr}; ${next.lines.join(', ')}${next.stderr}`;
  for (const [batch, version] of old.acks) assert.is(next.acks.get(batch) ?? version, version, said);
  // what one of them acknowledged after the other had claimed the directory would be lost to the other
  const [start, nextStart] = [old.starts.at(0), next.starts[0]];
  const [replaced, by] = (start?.epoch ?? 0) < nextStart.epoch ? [old, nextStart] : [next, start];
  for (const version of replaced.acks.values()) assert.ok(version <= (by?.version ?? 0), said);
  const acks = new Map([...old.acks, ...next.acks]);
  assert.is(await recoverFrom(directory, { ...next, acks }), 0, said);
  return `${old.ended ?? 'done'} / ${next.ended ?? 'done'}`;
}

const ends = new Set(['E_FENCED / done', 'E_FILE / done', 'E_DISK / done', 'done / E_FENCED', 'done / done']);

needsRoot(test, 'strace')(
  'a trainer that stops anywhere and is replaced unseen acknowledges nothing when it goes on',
  async () => {
    const program = bundle('scripted.ts');
    const copy = await prepared(program);
    const planned = await plan(program, { directory: copy('plan'), lives: [8], keepAll: true }, callsAndLooks);
    const points = planned.points.filter((_, i) => i % every === 0);
    const outcomes = new Map<string, number>();
    await inLanes(
      2,
      points.map((point) => async () => {
        const directory = copy(`${point.call}-${point.index}`);
        const outcome = await replaceAt(point, program, planned, directory);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        assert.ok(ends.has(outcome), `${point.call} ${point.index}: ${outcome}`);
        rmSync(directory, { recursive: true, force: true });
      }),
    );
    assert.ok((outcomes.get('E_FENCED / done') ?? 0) > points.length / 2);
    const each = [...outcomes].map(([outcome, count]) => `${outcome} ×${count}`).join(', ');
    console.log(`${points.length} trainers stopped and replaced, the old one and the new one end with: ${each}; lost 0`);
  },
);

needsRoot(
  test,
  'unshare',
  'util-linux',
)('a served trainer that was replaced unseen acknowledges nothing more and exits with 73', async () => {
  const directory = (await prepared(bundle('scripted.ts')))('served');
  const old = start('serve', '--directory', directory, '--port', '0');
  try {
    const url = await old.line();
    // as the program's own pushes are framed
    const frames = given.slice(0, 6).map((batch) => {
      const { producer = '', sequence = 0 } = batch;
      return encodeGradients(model, { model: 'default', producerEpoch: 0, producer, sequence, base: 0 }, batch);
    });
    const post = (i: number): Promise<number> =>
      fetch(`${url}/models/default/gradients`, { method: 'POST', body: frames[i - 1] }).then(
        ({ status }) => status,
        () => 0,
      );
    assert.is(await post(4), 200);
    const next = await begin(bundle('scripted.ts'), { directory, lives: [6], pauseAt: 6, keepAll: true }, elsewhere);
    await next.printed('paused');
    assert.is.not(await post(5), 200);
    const { code, stderr } = await old.ended;
    assert.is(code, 73, stderr);
    assert.match(stderr, /^gradwire: E_FENCED: another trainer has begun epoch 3/m);
    next.child.stdin.end('go on\n');
    const printed = await next.ended;
    assert.equal([printed.done, [...printed.acks]], [true, [5, 6].map((each) => [each, each])], printed.stderr);
    assert.is(await recoverFrom(directory, printed), 0);
  } finally {
    old.child.kill('SIGKILL');
  }
});

test('a trainer that hangs is named to whoever starts another; --take-over ends it, and its workers go on with the new one', async () => {
  const directory = join(folder, 'hanging');
  const old = await serve(directory);
  const worker = await connect<Name>(old.url, { role: 'worker', producer: 'w', backoffMaxMs: 200 });
  let next: Awaited<ReturnType<typeof serve>> | undefined;
  try {
    const pushed = batchesOf(60, 5);
    const pushes = pushed.slice(0, 20).map((gradients) => worker.push({ gradients }));
    await pushes[5];
    old.child.kill('SIGSTOP');
    pushes.push(...pushed.slice(20).map((gradients) => worker.push({ gradients })));
    for (const push of pushes) push.catch(() => undefined);
    const refused = await run('serve', '--directory', directory, '--port', '0');
    assert.is(refused.code, 1);
    assert.match(refused.stderr, new RegExp(`^gradwire: E_LOCKED: .*\\(pid ${old.child.pid}\\)`));
    assert.is(old.child.signalCode, null);
    next = await serve(directory, '--take-over', '--port', new URL(old.url).port);
    assert.is((await old.ended).signal, 'SIGKILL');
    const versions = (await Promise.all(pushes)).map(({ version }) => version);
    assert.equal(
      [...versions].sort((a, b) => a - b),
      pushed.map((_, i) => i + 1),
    );
    const { digest, version } = await ask(`${next.url}/models/m`);
    assert.equal([version, digest], [60, digestOf(pushed.map((_, i) => pushed[versions.indexOf(i + 1)]))]);
  } finally {
    await worker.close();
    for (const each of [old, next]) each?.child.kill('SIGKILL');
  }
});

test.run();
