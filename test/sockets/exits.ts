// A program that opens what there is to open, closes it, and has nothing left that would keep it alive. Run by exits.test.ts.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { connect } from '../../streams/sockets/index.ts';
import { Stand } from './stand.ts';

const stand = await Stand.start();
const replica = connect(stand.url);
const worker = connect(stand.url, { role: 'worker' });
await worker.push({ gradients: { 'dense/bias': Float32Array.of(1, 2, 3) } });
await replica.reached(1);

// one that is refused, one that waits for an answer, one that has lost its trainer
const mute = createServer(() => undefined).listen(0, '127.0.0.1');
await once(mute, 'listening');
const { port } = mute.address() as { port: number };
const waiting = connect(`http://127.0.0.1:${port}`, { readyTimeoutMs: 60_000 });
await once(mute, 'connection');
const nowhere = connect('http://127.0.0.1:9', { readyTimeoutMs: 60_000 });
const late = replica.reached(99, { timeoutMs: 60_000 }).catch((error) => error.code);

await stand.close();
await Promise.all([replica.close(), worker.close(), waiting.close(), nowhere.close()]);
mute.close();
const closedMs = performance.now();
process.stdout.write(`${await late}\n`);
process.on('exit', () => process.stdout.write(`${Math.round(performance.now() - closedMs)}\n`));
