// Closing is enough: a program whose servers, replicas and workers are closed ends by itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

test('a program whose servers and replicas are closed ends by itself, at once', async () => {
  const file = fileURLToPath(new URL('exits.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const [code] = await once(child, 'close');
  const [late, elapsedMs] = output.split('\n');
  assert.equal([code, late], [0, 'E_CLOSED']);
  assert.ok(Number(elapsedMs) < 1500, `${elapsedMs} ms after everything was closed`);
});

test.run();
