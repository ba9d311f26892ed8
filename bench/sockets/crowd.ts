// Replicas in a process of their own, healthy ones that say how late each update was, or bad ones of every kind.
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, type RemoteReplica } from '../../streams/sockets/index.ts';
import { answerQuestions } from '../child.ts';

/** To open replicas, to tell of what has come, or to open what should not disturb them. */
export type CrowdOrder =
  | { readonly what: 'healthy'; readonly url: string; readonly count: number }
  | { readonly what: 'lateness' }
  | { readonly what: 'bad'; readonly url: string }
  | { readonly what: 'leave' };

/** When each version was sent, in nanoseconds of the machine's monotonic clock, follows from the version and the first one's time. */
const arrivals: [version: number, atNs: string][] = [];
let replicas: RemoteReplica[] = [];
let bad: Socket[] = [];
const timers: NodeJS.Timeout[] = [];

answerQuestions(async (order: CrowdOrder) => {
  if (order.what === 'healthy') {
    replicas = Array.from({ length: order.count }, () => connect(order.url));
    await Promise.all(replicas.map(({ ready }) => ready));
    for (const replica of replicas) {
      replica.updates$.subscribe(({ version }) => arrivals.push([version, String(process.hrtime.bigint())]));
    }
    return {};
  }
  if (order.what === 'lateness') return { arrivals: arrivals.splice(0) };
  if (order.what === 'bad') {
    const { port } = new URL(order.url);
    bad = [await stalled(Number(port)), await slow(Number(port)), await flooding(Number(port))];
    return {};
  }
  for (const timer of timers.splice(0)) clearInterval(timer);
  for (const socket of bad.splice(0)) socket.destroy();
  return {};
});

/** Says hello and never reads again. */
async function stalled(port: number): Promise<Socket> {
  return (await greeted(port)).pause();
}

/** Reads a kilobyte in a second. */
async function slow(port: number): Promise<Socket> {
  const socket = (await greeted(port)).pause();
  timers.push(setInterval(() => socket.read(1024), 1000));
  return socket;
}

/** Sends as many pings as the connection takes, and reads nothing. */
async function flooding(port: number): Promise<Socket> {
  const socket = (await greeted(port)).pause();
  const pings = Buffer.alloc(6 * 1024);
  for (let at = 0; at < pings.byteLength; at += 6) pings.set([0x89, 0x80], at);
  timers.push(
    setInterval(() => {
      if (socket.writable && socket.writableLength < 1 << 20) socket.write(pings);
    }, 1),
  );
  return socket;
}

async function greeted(port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const hello = '{"type":"hello","role":"replica"}';
  socket.write(
    'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  await new Promise((resolve) => socket.once('data', resolve));
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | hello.length, 0, 0, 0, 0]), Buffer.from(hello)]));
  return socket;
}
