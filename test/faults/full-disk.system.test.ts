// A disk that takes no writes for a while, for real: a full file system, a limit of a file's size, a read-only disk, a quota.
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { decodeSnapshot } from '../../src/frames/snapshot.ts';
import { layout } from '../../src/layout.ts';
import { figure } from '../support/figures.ts';
import { run, start } from '../support/gradwire.ts';
import { needs } from '../support/needs.ts';
import { mountTmpfs, needsRoot, unmountAll } from './mounts.ts';
import { ask, endure, failing, segmentOf } from './served.ts';

let folder = '';
test.before(unmountAll);
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'gradwire-disk-'));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));
test.after(unmountAll);

needsRoot(test, 'mount')('a full disk: acks stop, all else goes on, and with room it resumes by itself', async () => {
  const path = mountTmpfs(1 << 20);
  const ballast = join(path, 'ballast');
  writeFileSync(ballast, new Uint8Array(768 << 10));
  const { acknowledged, trouble } = await endure({
    directory: join(path, 'run'),
    begin: () => undefined,
    end: () => rmSync(ballast),
  });
  assert.match(String(trouble.text), /ENOSPC/);
  figure(`disk: a full disk: ${acknowledged} batches acknowledged, 0 lost, 0 twice`);
});

needs(
  test,
  'prlimit',
  'util-linux',
)('a limit of a file’s size is waited for as a full disk is', async () => {
  let pid = 0;
  const limit = (fsize: string): Buffer => execFileSync('prlimit', ['--pid', String(pid), `--fsize=${fsize}`]);
  const { trouble } = await endure({
    directory: join(folder, 'run'),
    begin: ({ child }) => {
      pid = child.pid as number;
      limit(`${200 << 10}:unlimited`);
    },
    end: () => limit('unlimited:unlimited'),
  });
  assert.match(String(trouble.text), /EFBIG/);
});

for (const [errno, what, text] of [
  ['EROFS', 'a disk that is read-only for a while', /EROFS/],
  // Node has no name for this one
  ['EDQUOT', 'a quota that is used up', /EDQUOT|-122/],
] as const) {
  needs(test, 'strace')(`${what} is waited for as a full disk is`, async () => {
    let tracer: ChildProcess | undefined;
    const { trouble } = await endure({
      directory: join(folder, 'run'),
      begin: async ({ child, url }) => {
        tracer = await failing(child.pid as number, await segmentOf(url), `pwrite64,pwritev,pwritev2:error=${errno}`);
      },
      end: async () => {
        tracer?.kill('SIGINT');
        await once(tracer as ChildProcess, 'close');
      },
    });
    assert.match(String(trouble.text), text);
  });
}

needsRoot(test, 'mount')('a trainer whose directory is read-only says so and does not start', async () => {
  const path = mountTmpfs(1 << 20);
  mkdirSync(join(path, 'run'));
  execFileSync('mount', ['-o', 'remount,ro', path]);
  const model = join(folder, 'model.json');
  writeFileSync(model, '{"w": [3]}');
  const { code, stdout, stderr } = await run('serve', '--directory', join(path, 'run'), '--model', model, '--port', '0');
  assert.equal([code, stdout], [1, '']);
  assert.match(stderr, /^gradwire: E_DISK: writing "trainer.pid" failed: EROFS/);
});

needsRoot(test, 'mount')('a snapshot that does not fit leaves nothing behind, and the trainer lives', async () => {
  const path = mountTmpfs(1 << 20);
  const ballast = join(path, 'ballast');
  writeFileSync(ballast, new Uint8Array(640 << 10));
  const directory = join(path, 'run');
  const model = layout({ table: [4096, 8] });
  const file = join(folder, 'model.json');
  writeFileSync(file, JSON.stringify(model.toJSON()));
  const server = start('serve', '--directory', directory, '--model', file, '--name', 'm', '--port', '0', '--snapshot-every', '5');
  try {
    const url = await server.line();
    let sequence = 0;
    /** Batches until something has been seen; each is acknowledged, sooner or later. */
    const trainUntil = async (seen: () => boolean): Promise<void> => {
      while (!seen()) {
        const gradients = { table: { rows: Int32Array.of(sequence % 4096), values: new Float32Array(8).fill(0.1) } };
        const frame = encodeGradients(model, { producer: 'curl', producerEpoch: 0, sequence, base: 0 }, { gradients });
        const answer = await fetch(`${url}/models/m/gradients`, { method: 'POST', body: frame });
        if (answer.status === 200) sequence += 1;
        else assert.match(await answer.text(), /"E_DISK"/);
      }
    };
    let told = '';
    server.child.stderr?.on('data', (text: string) => (told += text));
    await trainUntil(() => told.includes('a snapshot could not be written'));
    assert.match(told, /a snapshot could not be written: GradwireError: E_DISK: .*ENOSPC/);
    assert.equal(
      readdirSync(directory).filter((name) => /^snap-/.test(name)),
      [],
    );
    rmSync(ballast);
    await trainUntil(() => readdirSync(directory).some((name) => /^snap-.*safetensors$/.test(name)));
    const { version, digest } = await ask(`${url}/models/m`);
    assert.is(version, sequence);
    server.child.kill('SIGTERM');
    assert.is((await server.ended).code, 0);
    for (const name of readdirSync(directory).filter((each) => /^snap-/.test(each)))
      decodeSnapshot(readFileSync(join(directory, name)));
    const replayed = JSON.parse((await run('replay', directory, '--json')).stdout) as Record<string, unknown>;
    assert.equal([replayed.version, replayed.digest], [version, digest]);
  } finally {
    server.child.kill('SIGKILL');
  }
});

test.run();
