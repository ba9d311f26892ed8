// A run with a clock of its own: one chunk for each batch, and a count of the bytes that reading it takes.
import { open } from 'node:fs/promises';
import { from } from 'rxjs';
import { decodeGradients, encodeGradients } from '../../src/frames/gradients.ts';
import type { Batch } from '../../src/gradients/batch.ts';
import { layout } from '../../src/layout.ts';
import type { Admitted } from '../../streams/operators/flow.ts';
import { openJournal } from '../../streams/recordings/index.ts';
import { admitted, all, directory, model, type Name, optimizer } from './runs.ts';

/** When version 0 would have been written. */
export const startMs = Date.UTC(2026, 10, 23, 8);

/** Writes batches, one chunk each, in as many starts as there are lists of times; the times are those of writing, after `startMs`. */
export async function timedRun(
  given: readonly Batch<Name>[],
  starts: readonly (readonly number[])[],
  segmentBytes: number = 1 << 20,
): Promise<string> {
  const path = directory();
  let nowMs = startMs;
  let version = 0;
  for (const times of starts) {
    const clock = () => nowMs;
    const journal = await openJournal<Name>(path, { model, optimizer, durability: 'os', segmentBytes, clock });
    for (const time of times) {
      nowMs = startMs + time;
      const [batch] = admitted([given[version]], version + 1);
      await all(from([batch]).pipe(journal.commit()));
      version += 1;
    }
    await journal.close();
  }
  return path;
}

/** A run of `count` batches of `length` floats, a second apart, one chunk each. */
export async function wideRun(count: number, length: number, segmentBytes: number = 1 << 30): Promise<string> {
  const wide = layout({ w: [length] });
  const path = directory();
  let version = 0;
  const clock = () => startMs + version * 1000;
  const journal = await openJournal<'w'>(path, { model: wide, durability: 'os', segmentBytes, clock });
  while (version < count) {
    version += 1;
    const identity = { producer: 'w', producerEpoch: 0, sequence: version, base: 0 };
    const frame = encodeGradients(wide, identity, { gradients: { w: new Float32Array(length).fill(version) } });
    const { header, gradients: checked } = decodeGradients(frame, wide);
    const batch: Admitted<'w'> = { frame, header, checked, version, payload: 'a'.repeat(16), answer: () => undefined };
    await all(from([batch]).pipe(journal.commit()));
  }
  await journal.close();
  return path;
}

/** Bytes that were read from files while `doing` ran. */
export async function bytesReadBy(doing: () => Promise<unknown>): Promise<number> {
  const file = await open(new URL(import.meta.url), 'r');
  const prototype = Object.getPrototypeOf(file) as { read: (...parameters: unknown[]) => Promise<{ bytesRead: number }> };
  await file.close();
  const { read } = prototype;
  let bytes = 0;
  prototype.read = async function (...parameters) {
    const result = await read.apply(this, parameters);
    bytes += result.bytesRead;
    return result;
  };
  try {
    await doing();
  } finally {
    prototype.read = read;
  }
  return bytes;
}
