// Batches out of chunks: each record decoded, checked against its model, and given out with its place in the run.
import { GradwireError } from '../../../src/errors.ts';
import type { Folding } from '../../../src/frames/fold.ts';
import type { GradientsHeader } from '../../../src/frames/gradients.ts';
import { type JournalRecord, readRecord } from '../../../src/frames/record.ts';
import type { Batch, GradientRecord } from '../../../src/gradients/batch.ts';
import type { Gradients } from '../../../src/gradients/check.ts';
import type { Layout } from '../../../src/layout.ts';
import type { PlacedChunk } from './chunks.ts';
import { corrupt } from './torn.ts';

/** A batch out of a recording. It owns its frame, which is never written again, unless it was asked for as lent. */
export interface RecordedBatch<Name extends string = string> extends Batch<Name>, Folding {
  /** Made when it is first asked for; its values are views of `frame`. */
  readonly gradients: GradientRecord<Name>;
  /** The checked gradients, which an optimizer for the same layout takes without another check. */
  readonly checked: Gradients<Name>;
  readonly header: GradientsHeader;
  /** The version that folding it makes. */
  readonly version: number;
  readonly run: string;
  /** The trainer's fencing number when it was admitted. */
  readonly epoch: number;
  /** When it was written to the recording: whole milliseconds since 1970. `time` is what its producer says of it. */
  readonly writtenMs: number;
  /** xxHash64 of the frame as it arrived. */
  readonly payload: string;
  /** The record: the gradients frame with its stamp. */
  readonly frame: Uint8Array;
}

/**
 * Copies a record out of its chunk, whose bytes the next chunk overwrites; there its values lie on a multiple of their size.
 * Each has memory of its own.
 */
export type Keep = (record: Uint8Array) => Uint8Array;

const keep: Keep = (record) => record.slice();

/** A {@link Keep} for batches that are taken at once: all have one memory in turn, which the system need not find anew for each. */
export function lending(): Keep {
  let memory = new ArrayBuffer(0);
  return (record) => {
    const { byteLength } = record;
    if (byteLength > memory.byteLength) memory = new ArrayBuffer(byteLength * 2);
    const lent = new Uint8Array(memory, 0, byteLength);
    lent.set(record);
    return lent;
  };
}

/** Which batches of a chunk, and where they lie. */
interface BatchesOptions {
  /** Those of later versions than this one; all unless told. */
  readonly from?: number;
  /** Those up to and with this version; all unless told. */
  readonly until?: number;
  readonly keep?: Keep;
}

/** The batches of a chunk, each checked. Throws `E_RECORDING_CORRUPT`. */
export function* batchesOf<Name extends string>(
  chunk: PlacedChunk,
  model: Layout<Name>,
  { from = 0, until = Number.POSITIVE_INFINITY, keep: kept = keep }: BatchesOptions = {},
): Generator<RecordedBatch<Name>, void, undefined> {
  for (const [i, bytes] of chunk.records.entries()) {
    const version = chunk.firstVersion + i;
    if (version > from && version <= until) yield decode(kept(bytes), i, chunk, model);
  }
}

function decode<Name extends string>(frame: Uint8Array, i: number, chunk: PlacedChunk, model: Layout<Name>): RecordedBatch<Name> {
  const { about } = chunk;
  const version = chunk.firstVersion + i;
  let record: JournalRecord<Name>;
  try {
    record = readRecord(frame, model, { maxAbs: about.optimizer.maxAbs });
  } catch (cause) {
    // of a release to come: nothing is damaged
    if (cause instanceof GradwireError && cause.code === 'E_FORMAT') throw cause;
    const message = cause instanceof GradwireError ? cause.message : 'a record cannot be read';
    throw corrupt({ message, offset: chunk.offset }, { path: chunk.path, version }, '', cause);
  }
  const { stamp } = record;
  if (stamp.version !== version || stamp.run !== about.run || stamp.epoch !== about.epoch) {
    const message = `the record says version ${stamp.version}, epoch ${stamp.epoch} of the run ${stamp.run}`;
    throw corrupt({ message, offset: chunk.offset }, { path: chunk.path, version });
  }
  return new Recorded(frame, record, chunk.times[i]);
}

class Recorded<Name extends string> implements RecordedBatch<Name> {
  readonly frame: Uint8Array;
  readonly header: GradientsHeader;
  readonly checked: Gradients<Name>;
  readonly writtenMs: number;
  readonly #stamp: JournalRecord['stamp'];
  #gradients: GradientRecord<Name> | undefined;

  constructor(frame: Uint8Array, { header, gradients, stamp }: JournalRecord<Name>, writtenMs: number) {
    this.frame = frame;
    this.writtenMs = writtenMs;
    this.header = header;
    this.checked = gradients;
    this.#stamp = stamp;
  }

  get gradients(): GradientRecord<Name> {
    return (this.#gradients ??= this.checked.toRecord());
  }
  get version(): number {
    return this.#stamp.version;
  }
  get run(): string {
    return this.#stamp.run;
  }
  get epoch(): number {
    return this.#stamp.epoch;
  }
  get payload(): string {
    return this.#stamp.payload;
  }
  get factor(): number | undefined {
    return this.#stamp.factor;
  }
  get parts(): Folding['parts'] {
    return this.#stamp.parts;
  }
  get base(): number {
    return this.header.base;
  }
  get examples(): number | undefined {
    return this.header.examples;
  }
  get loss(): number | undefined {
    return this.header.loss;
  }
  get time(): number | undefined {
    return this.header.time;
  }
  get producer(): string {
    return this.header.producer;
  }
  get producerEpoch(): number {
    return this.header.producerEpoch;
  }
  get sequence(): number {
    return this.header.sequence;
  }
}
