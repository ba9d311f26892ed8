// The workers of the ingest, in a process of their own: connections that keep a number of frames in flight and count the answers.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { layout } from '../../src/index.ts';
import { answerQuestions } from '../child.ts';

/** To push so many frames of so many bytes of values to a port. */
export interface PushOrder {
  readonly port: number;
  readonly bytes: number;
  readonly count: number;
  readonly connections: number;
  readonly inFlight: number;
}

// of a constant number of digits, so that it is written over in place
const firstSequence = 1_000_000;
let sequences = firstSequence;

answerQuestions(async ({ port, bytes, count, connections, inFlight }: PushOrder) => {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  const begun = performance.now();
  await Promise.all(sockets.map((socket, i) => push(socket, `p${i}`, { bytes, count: count / connections, inFlight })));
  const seconds = (performance.now() - begun) / 1000;
  for (const socket of sockets) socket.terminate();
  return { seconds };
});

async function open(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, ['gradwire.v1'], { perMessageDeflate: false });
  await once(socket, 'open');
  socket.send('{"type":"hello","role":"worker"}');
  // the welcome, or what stands for it
  await once(socket, 'message');
  return socket;
}

/** Resolves when as many frames as asked for have been answered with an ack. */
async function push(socket: WebSocket, producer: string, job: Pick<PushOrder, 'bytes' | 'count' | 'inFlight'>): Promise<void> {
  const { frame, at } = frameOf(producer, job.bytes);
  let sent = 0;
  let answered = 0;
  const next = (): void => {
    frame.write(String(sequences++), at, 'latin1');
    // ws masks into a copy of its own
    socket.send(frame);
    sent += 1;
  };
  await new Promise<void>((resolve, reject) => {
    socket.on('close', (code, reason) => reject(new Error(`a worker was cut off: ${code} ${reason}`)));
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      // updates come too, from a trainer
      if (isBinary) return;
      const text = data.toString('latin1');
      if (!text.startsWith('{"type":"ack"')) return reject(new Error(text));
      answered += 1;
      if (answered === job.count) resolve();
      else if (sent < job.count) next();
    });
    while (sent < Math.min(job.inFlight, job.count)) next();
  });
}

function frameOf(producer: string, bytes: number): { frame: Buffer; at: number } {
  const model = layout({ w: [bytes / 4] });
  const identity = { producer, producerEpoch: 1, sequence: firstSequence, base: 0 };
  const encoded = encodeGradients(model, identity, {
    gradients: { w: new Float32Array(bytes / 4).map((_, i) => Math.sin(i) / 8) },
  });
  const frame = Buffer.from(encoded);
  return { frame, at: frame.indexOf(`"${firstSequence}"`) + 1 };
}
