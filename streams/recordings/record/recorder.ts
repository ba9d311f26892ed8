// What a recording's tap does with each value: gives it a version and a frame, and writes it to one file.
import { digestOf } from '../../../src/digest.ts';
import { encodeGradients } from '../../../src/frames/gradients.ts';
import { encodeWeights } from '../../../src/frames/weights.ts';
import { type Batch, type GradientRecord, isBatch } from '../../../src/gradients/batch.ts';
import { type Foldable, Gradients } from '../../../src/gradients/check.ts';
import type { Layout } from '../../../src/layout.ts';
import type { RMSpropOptions } from '../../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../../src/rmsprop/rmsprop.ts';
import type { CreateFile } from '../disk.ts';
import { newRunName } from '../journal/run.ts';
import type { Durability } from '../segment/appended.ts';
import type { PreparedRecord } from '../segment/prepared.ts';
import { SegmentSeries, type Versioned } from '../segment/series.ts';

/** What a recording is told. */
export interface RecordOptions<Name extends string = string> {
  readonly model: Layout<Name>;
  /** The model's name; `default` unless told. */
  readonly name?: string;
  /** The hyper-parameters and initial parameters that a replay starts with; the defaults, and zeros, unless told. */
  readonly optimizer?: RMSpropOptions<Name>;
  /** What a batch that has passed survives: `fsync` power loss, `os` (default) the process, `none` nothing. */
  readonly durability?: Durability;
  /** Milliseconds since 1970, for labels; `Date.now` unless told. */
  readonly clock?: () => number;
  /** Makes the file; that of node:fs unless told. */
  readonly create?: CreateFile;
}

/** What can be recorded: what an optimizer folds, or a batch that has its frame and its version already. */
export type Recordable<Name extends string = string> = Foldable<Name> | Versioned;

/** One recording being made. */
export class Recorder<Name extends string> {
  readonly #options: RecordOptions<Name>;
  readonly #maxAbs: number | undefined;
  readonly #series: SegmentSeries;
  #last: number | undefined;

  constructor(path: string, options: RecordOptions<Name>) {
    const { model, name = 'default', optimizer: given, durability = 'os', clock = Date.now, create } = options;
    const optimizer = new RMSprop(model, given);
    const run = newRunName();
    this.#options = options;
    this.#maxAbs = optimizer.maxAbs;
    this.#series = new SegmentSeries({
      about: { run, epoch: 1, epochs: [[1, 1]], name, model, optimizer: optimizer.getConfig() },
      initial: () => encodeWeights({ model: name, run, epoch: 1, version: 0 }, optimizer.parameters),
      pathOf: () => path,
      segmentBytes: Number.POSITIVE_INFINITY,
      durability,
      clock,
      create,
    });
  }

  /** Whether it has been closed, or is about to be. */
  get closing(): boolean {
    return this.#series.closing;
  }

  /** The value's record, with the version that follows the one before. Throws the codes of a batch that does not fit the model. */
  prepare(value: Recordable<Name>): PreparedRecord {
    const versioned = isVersioned(value) ? value : this.#encode(value);
    this.#last = versioned.version;
    return this.#series.prepare(versioned);
  }

  /** Writes a group. Throws `E_FILE`, `E_DISK`, `E_DISK_FAILED`, or `E_RECORDING` where a version does not follow. */
  async append(group: readonly PreparedRecord[]): Promise<void> {
    await this.#series.append(group);
  }

  /** Makes the file, where no batch has. */
  begin(): Promise<void> {
    return this.#series.begin(1);
  }

  /** Closes the file, where there is one. */
  close(): Promise<void> {
    return this.#series.close();
  }

  #encode(value: Foldable<Name>): Versioned {
    const { model, name = 'default' } = this.#options;
    const version = (this.#last ?? 0) + 1;
    const batch = batchOf(value);
    const { producer = 'local', producerEpoch = 0, sequence = version, base = version - 1, time } = batch;
    const identity = { model: name, producer, producerEpoch, sequence, base };
    const frame = encodeGradients(model, identity, batch, { maxAbs: this.#maxAbs });
    return { frame, version, payload: digestOf(frame), header: { time } };
  }
}

function batchOf<Name extends string>(value: Foldable<Name>): Batch<Name> {
  const { checked = value } = (value ?? {}) as { checked?: unknown };
  if (checked instanceof Gradients) return { ...(value as Batch<Name>), gradients: checked.toRecord() as GradientRecord<Name> };
  const record = value as GradientRecord<Name> | Batch<Name>;
  return isBatch(record) ? record : { gradients: record };
}

function isVersioned<Name extends string>(value: Recordable<Name>): value is Versioned {
  const { frame, version, payload } = (value ?? {}) as Partial<Versioned>;
  return frame instanceof Uint8Array && typeof version === 'number' && typeof payload === 'string';
}
