// Two trainers for one directory: one is refused, takes over by force, or takes over unseen; what was acknowledged is never lost.
import { mkdtempSync, rmSync } from 'node:fs';
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
import { begin, elsewhere, firstLife, given, recoverFrom } from './script.ts';
import { ask, batchesOf, digestOf, type Name, serve } from './served.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradwire-takeover-'));
test.after(() => {
  rmSync(folder, { recursive: true, force: true });
  removeBundles();
});
needsRoot(
  test,
  'unshare',
  'util-linux',
)('a served trainer that was replaced unseen acknowledges nothing more and exits with 73', async () => {
  const directory = (await firstLife(bundle('scripted.ts'), folder))('served');
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
