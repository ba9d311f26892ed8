// The browser build of gradwire/sockets is small, and has nothing of Node in it.
import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bundle, gzipBytes } from '../support/bundle.ts';
import { mostBytes, sizes } from './sizes.ts';

test('a page loads at most 15 kB of gzip beside rxjs to hold a replica', async () => {
  const { replica, withRxjs, worker } = await sizes();
  assert.ok(replica <= mostBytes, `${replica} bytes, at most ${mostBytes}`);
  assert.ok(replica < withRxjs && withRxjs < worker, 'rxjs and the pushes of a worker come on top');
});

test('npm run size prints the same figures', async () => {
  const { replica, withRxjs, worker } = await sizes();
  const { stdout, status } = spawnSync('npm', ['run', '--silent', 'size'], { encoding: 'utf8' });
  assert.is(status, 0);
  assert.match(stdout, `${replica} bytes of ${mostBytes}; with rxjs ${withRxjs}, with pushes too ${worker}`);
});

test('control: everything in it is counted: rxjs, frames, the hash', async () => {
  const text = await bundle("export { connect } from 'gradwire/sockets';", { atOnce: true });
  for (const part of ['data_offsets', 'unsubscribe', 'AGFzbQ', 'E_CHECK']) assert.ok(text.includes(part), part);
});

test('control: the client of Node does not load in a page', async () => {
  let text = 'it loads';
  try {
    await bundle("export { connect } from './dist/streams/sockets/index.js';");
  } catch (error) {
    text = String(error);
  }
  assert.match(text, 'node:http');
});

test('control: a bundle with more in it is larger', async () => {
  const both = await bundle("export { connect } from 'gradwire/sockets'; export { RMSprop } from 'gradwire';", { atOnce: true });
  assert.ok(gzipBytes(both) > mostBytes);
});

test.run();
