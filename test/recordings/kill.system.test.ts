// SIGKILL: a journal whose process is killed while it writes has lost nothing that had passed, however often it happens.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { tap } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { type Durability, openJournal, openRecording } from '../../streams/recordings/index.ts';
import { admitted, all, batches, directory, foldOf, model, type Name, names, optimizer, removeDirectories } from './runs.ts';

test.after(removeDirectories);

const program = fileURLToPath(new URL('committer.ts', import.meta.url));
const rounds = Number(process.env.GRADWIRE_KILLS ?? 8);
const seed = Number(process.env.GRADWIRE_SEED ?? 7);

/** Runs the program in the directory, kills it some milliseconds after its first batch, and gives what it printed. */
async function killed(path: string, afterMs: number, durability: Durability = 'fsync'): Promise<Map<number, string>> {
  const child = spawn(process.execPath, ['--import', 'tsx', program, path, durability], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const closed = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), closed]);
  await delay(afterMs);
  child.kill('SIGKILL');
  const [code, signal] = await closed;
  assert.is(signal, 'SIGKILL', `the program ended by itself with ${code}`);
  const lines = output.slice(0, output.lastIndexOf('\n') + 1).matchAll(/^(\d+) (\w+)\n/gm);
  return new Map([...lines].map(([, version, payload]) => [Number(version), payload]));
}

test(`${rounds} kills while it writes: 0 lost, 0 twice, the same bits (seed ${seed})`, async () => {
  const path = directory();
  const passed = new Map<number, string>();
  let state = seed;
  for (let i = 0; i < rounds; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    for (const [version, payload] of await killed(path, state % 200)) {
      assert.not(passed.has(version), `version ${version} passed twice`);
      passed.set(version, payload);
    }
  }
  const journal = await openJournal<Name>(path, { model, optimizer });
  const fold = RMSprop.fromConfig(journal.optimizer, journal.model);
  fold.restore(journal.start.state);
  await all(journal.records$.pipe(tap(({ checked }) => fold.step(checked))));
  assert.ok(passed.size > rounds * 20, `only ${passed.size} batches passed`);
  assert.equal([journal.epoch, journal.epochs.length], [rounds + 1, rounds + 1]);
  assert.ok(names(path, /^snap-/).length > 0);
  const recorded = await foldOf(path);
  assert.equal([recorded.version, recorded.digest], [fold.version, fold.digest()]);
  const expected = new RMSprop(model, optimizer);
  for (let version = 1; version <= fold.version; version++) {
    const [batch] = admitted(batches(1, version), version);
    assert.is(passed.get(version) ?? batch.payload, batch.payload);
    expected.step(batch.checked);
  }
  assert.ok(Math.max(...passed.keys()) <= fold.version, 'a batch that had passed is lost');
  assert.is(fold.digest(), expected.digest());
  await journal.close();
  console.log(`${rounds} kills, ${passed.size} batches passed, ${fold.version} recorded, 0 lost`);
});

test('control: where batches pass before they are written, a kill loses some that had passed', async () => {
  let lost = 0;
  for (let i = 0; i < 5 && lost === 0; i++) {
    const path = directory();
    const passed = await killed(path, 30 + i, 'none');
    lost = Math.max(...passed.keys()) - (await openRecording(path)).lastVersion;
  }
  assert.ok(lost > 0);
});

test.run();
