// The lock: one trainer for a directory, whose process names itself, and which cannot keep it after its death.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openJournal } from '../../streams/recordings/index.ts';
import { lock } from '../../streams/recordings/journal/lock.ts';
import { directory, model, names, refusal, removeDirectories } from './runs.ts';

test.after(removeDirectories);

const holder = fileURLToPath(new URL('../../streams/recordings/journal/lock.ts', import.meta.url));

/** A process that holds the directory until it is killed. */
async function hold(path: string) {
  const program = `import(${JSON.stringify(holder)}).then(({ lock }) => lock(${JSON.stringify(path)})).then(() => { console.log('held'); setInterval(() => 0, 1000); });`;
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

test('a second holder is refused with the pid of the first; after its release it is let in', async () => {
  const path = directory();
  const first = await lock(path);
  await refusal('E_LOCKED', lock(path), new RegExp(`is in use by another trainer \\(pid ${process.pid}\\)`));
  await first.release();
  assert.equal(names(path, /./), []);
  await (await lock(path)).release();
});

test('a process that was killed holds nothing', async () => {
  const path = directory();
  const child = await hold(path);
  await refusal('E_LOCKED', openJournal(path, { model }), new RegExp(`pid ${child.pid}`));
  child.kill('SIGSTOP');
  await refusal('E_LOCKED', openJournal(path, { model }), new RegExp(`pid ${child.pid}`));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(existsSync(join(path, 'trainer.pid')));
  const journal = await openJournal(path, { model });
  await refusal('E_LOCKED', openJournal(path, { model }), new RegExp(`pid ${process.pid}`));
  await journal.close();
});

test('where the lock is a socket file, one that nobody listens on is taken over', async () => {
  const path = directory();
  const addressOf = (id: string): string => join(path, `${id}.sock`);
  const first = await lock(path, { addressOf });
  await refusal('E_LOCKED', lock(path, { addressOf }));
  await first.release();
  const { dev, ino } = await import('node:fs').then(({ statSync }) => statSync(path, { bigint: true }));
  writeFileSync(addressOf(`gradwire-${dev}-${ino}`), '');
  await (await lock(path, { addressOf })).release();
});

test('a start that is refused lets the directory go', async () => {
  const path = directory();
  await refusal('E_CONFIG', openJournal(path));
  const journal = await openJournal(path, { model });
  await journal.close();
  await refusal('E_CONFIG_DRIFT', openJournal(path, { optimizer: { lr: 0.5 } }));
  await (await openJournal(path)).close();
});

test.run();
