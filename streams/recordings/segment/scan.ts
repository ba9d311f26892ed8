// Looking past a damaged place for anything that is still valid: it would prove that what is damaged had been acknowledged.
import { Opcode } from '@mcap/core';
import { recordLimits } from '../../../src/frames/record.ts';
import { deserialize } from '../../../src/frames/safetensors.ts';
import { endingName, readEnding } from './about.ts';
import { chunkHeadBytes } from './around.ts';
import { chunkHeadOf, messagesIn, parseRecord, recordHeadBytes, uint64 } from './parse.ts';
import { Pieces } from './pieces.ts';

/** What is looked for: records of this run (any, where it is unknown) that make this version or a later one, or the run's end. */
interface Wanted {
  /** Where in the file to look. */
  readonly start: number;
  readonly end: number;
  readonly run: string | undefined;
  readonly version: number;
}

const windowBytes = 1 << 20;
const endingText = new TextEncoder().encode(endingName);
// an ending's name follows its record head and the name's length
const endingNameOffset = recordHeadBytes + 4;

/** Where something valid stands; undefined where nothing does. No length before it is trusted. */
export async function findValid(path: string, wanted: Wanted): Promise<number | undefined> {
  const pieces = await Pieces.open(path);
  try {
    for (let at = wanted.start; at < wanted.end; at += windowBytes) {
      for (const candidate of await candidates(pieces, at, wanted.end)) {
        if (await isValid(pieces, candidate, wanted)) return candidate;
      }
    }
    return undefined;
  } finally {
    await pieces.close();
  }
}

/** Places in the window at `at` where a chunk or an ending may begin. */
async function candidates(pieces: Pieces, at: number, end: number): Promise<number[]> {
  const found: number[] = [];
  pieces.seek(at);
  // the next window begins before this one ends, so that nothing is cut in two
  const byteLength = Math.min(windowBytes + chunkHeadBytes, end - at);
  await pieces.need(byteLength);
  const window = Buffer.from(pieces.take(byteLength));
  const view = new DataView(window.buffer, window.byteOffset, byteLength);
  for (
    let i = window.indexOf(Opcode.CHUNK);
    i >= 0 && i + chunkHeadBytes <= byteLength;
    i = window.indexOf(Opcode.CHUNK, i + 1)
  ) {
    if (chunkHeadOf(view, i) !== undefined) found.push(at + i);
  }
  for (let i = window.indexOf(endingText); i >= 0; i = window.indexOf(endingText, i + 1)) found.push(at + i - endingNameOffset);
  return found;
}

async function isValid(pieces: Pieces, offset: number, { end, run, version }: Wanted): Promise<boolean> {
  pieces.seek(offset);
  if (offset < 0 || end - offset < chunkHeadBytes) return false;
  await pieces.need(chunkHeadBytes);
  const view = pieces.peek(chunkHeadBytes);
  const byteLength = recordHeadBytes + uint64(view, 1);
  if (byteLength > end - offset) return false;
  const chunk = chunkHeadOf(view);
  await pieces.need(byteLength);
  const bytes = pieces.take(byteLength);
  try {
    const found = chunk === undefined ? endingIn(bytes) : lastRecordIn(bytes, chunk.crc);
    return (run === undefined || found.run === run) && found.version >= version;
  } catch {
    // not valid: nothing that proves anything
    return false;
  }
}

function lastRecordIn(chunk: Uint8Array, crc: number): { run: string | undefined; version: number } {
  const { data } = messagesIn(chunk.subarray(chunkHeadBytes), crc).at(-1) ?? {};
  if (data === undefined) throw new Error('an empty chunk');
  const { run, version } = deserialize(data, recordLimits).metadata;
  return { run, version: Number(version) };
}

/** An ending proves whatever its version: it stands after all records. */
function endingIn(bytes: Uint8Array): { run: string; version: number } {
  const record = parseRecord(bytes);
  if (record.type !== 'Metadata' || record.name !== endingName) throw new Error('another record');
  return { run: readEnding(record.metadata).run, version: Number.POSITIVE_INFINITY };
}
