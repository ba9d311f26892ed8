// What most tests of a server say and wait for.
import { dial, type Fields, type RawClient, readFrame, writeFrame } from './raw.ts';
import { Stand, type StandOptions } from './stand.ts';

/** Runs a body with a trainer that is closed afterwards. */
export async function withStand(options: StandOptions, body: (stand: Stand, port: number) => Promise<void>): Promise<void> {
  const stand = await Stand.start({ closeMs: 200, ...options });
  try {
    await body(stand, stand.server.port);
  } finally {
    await stand.close();
  }
}

/** A gradients frame for the bias, by hand. */
export function batch(sequence: number, over: Record<string, string> = {}, values = [1, 2, 3]): Buffer {
  const identity = { producer: 'w1', producerEpoch: '1', sequence: String(sequence), base: '0' };
  return writeFrame({ gradwire: '1', kind: 'gradients', ...identity, ...over }, { 'dense/bias': { shape: [3], values } });
}

/** The frames and texts up to and with the next text. */
export async function untilText(client: RawClient): Promise<[versions: number[], text: Fields]> {
  const versions: number[] = [];
  for (;;) {
    const message = await client.next();
    if (message.kind === 'text') return [versions, message.value];
    if (message.kind === 'close') throw new Error(`closed with ${message.code} ${message.reason}`);
    versions.push(Number(readFrame(message.bytes).metadata.version));
  }
}

/** Waits, one turn of the event loop after the other. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** What a connection ends with after that. */
export async function endOf(
  options: StandOptions,
  act: (client: RawClient, stand: Stand) => void,
  hello?: object,
): Promise<{ code: number; reason: string }> {
  let end = { code: 0, reason: '' };
  await withStand(options, async (stand) => {
    const { client } = await dial(stand.server.port);
    if (hello !== undefined) {
      client.text({ type: 'hello', ...hello });
      await client.next();
      await client.nextBinary();
    }
    act(client, stand);
    end = await client.closed();
    client.end();
  });
  return end;
}
