// The sending sides of a broadcast: gradwire, bare ws with one prepared buffer, socket.io, and NATS where its server is installed.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcp } from 'node:net';
import { Subject } from 'rxjs';
import { Server as SocketIo } from 'socket.io';
import { WebSocketServer } from 'ws';
import type { Publication } from '../../streams/operators/index.ts';
import { serve } from '../../streams/sockets/index.ts';
import { Versions } from './frames.ts';
import type { Sender } from './orders.ts';

/** One sending side that listens. */
export interface Sending {
  readonly port: number;
  /** Sends the next message to everybody. */
  send(): void;
  close(): Promise<void>;
}

/** Whether a NATS server can be started here. */
export function hasNats(): boolean {
  return spawnSync('nats-server', ['--version']).status === 0;
}

/** Starts a sending side for updates of so many bytes of values. */
export async function start(sender: Sender, bytes: number, connections: number): Promise<Sending> {
  if (sender === 'gradwire') return await startGradwire(bytes, connections);
  const frame = Buffer.from(new Versions(bytes).frame());
  if (sender === 'ws') return await startWs(frame);
  if (sender === 'socket.io') return await startSocketIo(frame);
  return await startNats(frame);
}

async function startGradwire(bytes: number, connections: number): Promise<Sending> {
  const versions = new Versions(bytes);
  const server = await serve(versions, { connections });
  const publications$ = new Subject<Publication<undefined>>();
  publications$.pipe(server.broadcast()).subscribe();
  const frame = versions.frame();
  return {
    port: server.port,
    send: () => publications$.next(versions.next(frame)),
    close: () => server.close(),
  };
}

async function startWs(frame: Buffer): Promise<Sending> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    send: () => {
      for (const client of server.clients) client.send(frame);
    },
    close: async () => {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function startSocketIo(frame: Buffer): Promise<Sending> {
  const http = createServer();
  const server = new SocketIo(http, { transports: ['websocket'], perMessageDeflate: false, serveClient: false });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    port: (http.address() as AddressInfo).port,
    send: () => void server.emit('update', frame),
    close: async () => await server.close(),
  };
}

async function startNats(frame: Buffer): Promise<Sending> {
  const port = await freePort();
  const server: ChildProcess = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  for await (const chunk of server.stderr as AsyncIterable<Buffer>) {
    log += chunk.toString();
    if (log.includes('Server is ready')) break;
  }
  const publisher = connect(port, '127.0.0.1').setNoDelay();
  publisher.write('CONNECT {"verbose":false}\r\n');
  publisher.resume();
  const message = Buffer.concat([Buffer.from(`PUB updates ${frame.byteLength}\r\n`), frame, Buffer.from('\r\n')]);
  return {
    port,
    send: () => void publisher.write(message),
    close: async () => {
      publisher.destroy();
      const ended = once(server, 'exit');
      server.kill();
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createTcp().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
