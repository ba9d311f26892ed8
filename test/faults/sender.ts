// A sender without a client: frames of its own making, by a raw WebSocket or by HTTP, sent until there is an answer.
import { once } from 'node:events';
import { request } from 'node:http';
import { join, type RawClient, writeFrame } from '../sockets/raw.ts';

/** An answer's fields. */
export type Reply = Readonly<Record<string, unknown>>;

/** A gradients frame of the model of these tests. */
export function frameOf(
  producer: string,
  sequence: number,
  { producerEpoch = 0, value = sequence, base = 0 }: { producerEpoch?: number; value?: number; base?: number } = {},
): Buffer {
  const metadata = { gradwire: '1', kind: 'gradients', producer, producerEpoch: String(producerEpoch) };
  const values = Array.from({ length: 64 }, (_, i) => Math.fround(Math.sin(value * 64 + i)));
  return writeFrame({ ...metadata, sequence: String(sequence), base: String(base) }, { bias: { shape: [64], values } });
}

/** Posts a frame. Rejects where the connection breaks. */
export async function post(port: number, frame: Uint8Array): Promise<Reply> {
  const asked = request({ port, host: '127.0.0.1', method: 'POST', path: '/models/default/gradients', agent: false });
  asked.end(frame);
  const [response] = await once(asked, 'response');
  let text = '';
  response.setEncoding('utf8').on('data', (more: string) => (text += more));
  await once(response, 'end');
  if (!response.complete) throw new Error('the answer was cut');
  return JSON.parse(text);
}

/** A worker's connection, made when it is first needed and again after it broke. */
export class RawWorker {
  readonly #port: number;
  readonly #hello: object;
  #client: RawClient | undefined;

  constructor(port: number, hello: { producer: string; producerEpoch?: number }) {
    this.#port = port;
    this.#hello = { role: 'worker', ...hello };
  }

  /** Sends a frame and gives the answer to its sequence number. Rejects where the connection breaks. */
  async send(frame: Uint8Array, sequence: number): Promise<Reply> {
    this.#client ??= (await join(this.#port, this.#hello)).client;
    const client = this.#client;
    client.binary(frame);
    for (;;) {
      const message = await client.next();
      if (message.kind === 'close') {
        this.end();
        throw new Error(`closed with ${message.code}: ${message.reason}`);
      }
      if (message.kind === 'text' && message.value.sequence === sequence) return message.value;
    }
  }

  end(): void {
    this.#client?.end();
    this.#client = undefined;
  }
}
