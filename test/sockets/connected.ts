// What the tests of `connect` share: trainers behind proxies, servers that follow a script, and replicas that are watched.
import { once } from 'node:events';
import { createServer } from 'node:net';
import * as assert from 'uvu/assert';
import { WebSocketServer } from 'ws';
import { GradwireError } from '../../src/errors.ts';
import type { RemoteReplica } from '../../streams/sockets/index.ts';
import { ChaosProxy } from '../support/proxy.ts';
import { Stand, type StandOptions } from './stand.ts';

/** Coming back at once. */
export const quick = { backoffMinMs: 1, backoffMaxMs: 5 } as const;

/** A batch. */
export const bias = { 'dense/bias': Float32Array.of(1, 2, 3) };

/** The code of what a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof GradwireError) return error.code;
    throw error;
  }
  return 'it resolved';
}

/** Runs a body with a trainer behind a proxy; both are closed afterwards. */
export async function withProxy(options: StandOptions, body: (stand: Stand, proxy: ChaosProxy) => Promise<void>): Promise<void> {
  const stand = await Stand.start({ closeMs: 100, ...options });
  const proxy = await ChaosProxy.start(stand.server.port);
  try {
    await body(stand, proxy);
  } finally {
    await stand.close();
    await proxy.close();
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Waits, one turn of the event loop after the other. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Every version the replica reports must have the trainer's bits; gives the versions as they come. */
export function watch(replica: RemoteReplica, stand: Stand): number[] {
  const seen: number[] = [];
  replica.updates$.subscribe({
    next: ({ version }) => {
      assert.is(replica.version, version);
      assert.is(replica.digest(), stand.digests[version], `at version ${version}`);
      seen.push(version);
    },
    error: () => undefined,
  });
  return seen;
}

/** A server that says what the test wants; gives the hellos it was told. */
export async function scripted(
  answer: (hello: Record<string, unknown>, send: (message: object | Uint8Array) => void, close: (code: number) => void) => void,
) {
  const hellos: Record<string, unknown>[] = [];
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => {
      if (isBinary) return;
      const hello = JSON.parse(String(data));
      hellos.push(hello);
      answer(
        hello,
        (message) => socket.send(message instanceof Uint8Array ? message : JSON.stringify(message)),
        (code) => socket.close(code, 'E_FORBIDDEN: as scripted'),
      );
    });
  });
  const { port } = server.address() as { port: number };
  const stop = async (): Promise<void> => {
    for (const client of server.clients) client.terminate();
    server.close();
    await once(server, 'close');
  };
  return { url: `ws://127.0.0.1:${port}`, hellos, stop };
}

/** The welcome of the scripted trainer. */
export const welcome = {
  type: 'welcome',
  run: 'run-1',
  epoch: 1,
  version: 3,
  layout: {},
  encoding: 'f32',
  credit: { batches: 8, bytes: 33554432 },
  resumed: false,
  reason: null,
};

/** Updates 1 to 6 of a trainer, and its weights at 0. */
export function script(): { stand: Stand; weights: Uint8Array; updates: Uint8Array[] } {
  const stand = new Stand();
  const weights = stand.weights();
  const updates: Uint8Array[] = [];
  stand.published$.subscribe(({ frame }) => updates.push(frame));
  for (let i = 0; i < 6; i++) stand.step();
  return { stand, weights, updates };
}
