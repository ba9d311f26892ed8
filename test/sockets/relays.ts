// Relays for tests: a stand with relays below it, and waiting for what they do.
import { filter, firstValueFrom, merge, startWith } from 'rxjs';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { type Relay, type RelayOptions, relay } from '../../streams/sockets/index.ts';
import type { RawClient } from './raw.ts';
import { small } from './stand.ts';

/** Quick to come back. */
export const quick = { backoffMinMs: 1, backoffMaxMs: 5 } as const;

/** Relays one below the other, the first below `url`. */
export async function chainOf(depth: number, url: string, options: RelayOptions = {}): Promise<Relay[]> {
  const relays: Relay[] = [];
  for (let i = 0; i < depth; i++)
    relays.push(await relay(relays.at(-1)?.url ?? url, { ...quick, ...options, listen: { closeMs: 100, ...options.listen } }));
  return relays;
}

/** Resolves once the relay is as `holds` says, looked at after each of its events. */
export async function relayIs(of: Relay, holds: (of: Relay) => boolean): Promise<void> {
  const events$ = merge(of.updates$, of.status$).pipe(startWith(undefined));
  await firstValueFrom(events$.pipe(filter(() => holds(of))));
}

/** The relay holds that version. */
export function relayReaches(of: Relay, version: number): Promise<void> {
  return relayIs(of, () => of.version >= version);
}

/** Closes in this order. */
export async function closeAll(all: readonly { close(): Promise<void> | void }[]): Promise<void> {
  for (const each of all) await each.close();
}

/** The frames of a connection up to the one of `version`, which is the last. */
export async function framesUntil(client: RawClient, version: number): Promise<Buffer[]> {
  const frames: Buffer[] = [];
  for (;;) {
    const message = await client.next();
    if (message.kind === 'close') throw new Error(`closed with ${message.code} ${message.reason}`);
    if (message.kind === 'text') continue;
    frames.push(message.bytes);
    if (versionOf(message.bytes) === version) return frames;
  }
}

/** What a frame says of itself. */
export function labelsOf(frame: Uint8Array): Record<string, string> {
  const buffer = Buffer.from(frame);
  return JSON.parse(buffer.subarray(8, 8 + Number(buffer.readBigUInt64LE(0))).toString()).__metadata__;
}

/** The version of an update or weights frame. */
export function versionOf(frame: Uint8Array): number {
  return Number(labelsOf(frame).version);
}

/** A gradients frame as a worker writes it. */
export function batchOf(producer: string, sequence: number, producerEpoch = 1, base = 0): Uint8Array {
  const values = Float32Array.of(sequence, 1, -1);
  return encodeGradients(small, { producer, producerEpoch, sequence, base }, { gradients: { 'dense/bias': values } });
}
