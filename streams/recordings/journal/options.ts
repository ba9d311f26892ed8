// What a journal may be told, its defaults, and what is refused.
import { GradwireError, quote, refuseUnknownOptions } from '../../../src/errors.ts';
import { isPrintable, type Layout } from '../../../src/layout.ts';
import type { RMSpropOptions } from '../../../src/rmsprop/options/hyperparameters.ts';
import { hyperparametersOf } from '../../../src/rmsprop/options/options.ts';
import type { CreateFile } from '../disk.ts';
import type { ReadProgress } from '../history/chunks.ts';
import type { Durability } from '../segment/appended.ts';
import { type Retention, refuseRetention } from './retention.ts';

/** What a journal is told. A run that goes on keeps its model and its options; those given must be the recorded ones. */
export interface JournalOptions<Name extends string = string> {
  /** The model's name; `default` unless told. */
  readonly name?: string;
  /** The model; needed for a new run. */
  readonly model?: Layout<Name>;
  /** Hyper-parameters, and the initial parameters of a new run. */
  readonly optimizer?: RMSpropOptions<Name>;
  /** The initial parameters of a new run; those of `optimizer` unless told. */
  readonly initial?: RMSpropOptions<Name>['initial'];
  /** What a batch that has passed survives: `fsync` (default) power loss, `os` the process, `none` nothing. */
  readonly durability?: Durability;
  /** A segment that has as many bytes is closed and the next begun; 256 MiB unless told. */
  readonly segmentBytes?: number;
  /** Snapshots kept, at least 2; 3 unless told. */
  readonly keepSnapshots?: number;
  /** When old segments are removed; never unless told. */
  readonly retention?: Retention;
  /** Ends a trainer that holds the directory, after making sure which process it is; such a trainer is an error unless told. */
  readonly takeOver?: boolean;
  /** Told how far the recovery has come, which reads the recording from the newest snapshot on. */
  readonly progress?: (progress: ReadProgress) => void;
  /** Milliseconds since 1970, for labels; `Date.now` unless told. */
  readonly clock?: () => number;
  /** Makes a segment's file; that of node:fs unless told. */
  readonly create?: CreateFile;
}

/** Options with their defaults. */
export type JournalSettings<Name extends string = string> = JournalOptions<Name> &
  Required<Pick<JournalOptions<Name>, 'durability' | 'segmentBytes' | 'keepSnapshots' | 'retention' | 'clock'>>;

const names = [
  'name',
  'model',
  'optimizer',
  'initial',
  'durability',
  'segmentBytes',
  'keepSnapshots',
  'retention',
  'takeOver',
  'progress',
  'clock',
  'create',
];

/** Fills in the defaults. Throws `E_CONFIG`. */
export function settle<Name extends string>(options: JournalOptions<Name>): JournalSettings<Name> {
  refuseUnknownOptions('journal', options, names);
  const {
    name,
    optimizer = {},
    durability = 'fsync',
    segmentBytes = 256 << 20,
    keepSnapshots = 3,
    retention = {},
    clock = Date.now,
  } = options;
  if (name !== undefined) refuseName(name);
  hyperparametersOf(optimizer);
  refuseDurability(durability);
  refuseCount('segmentBytes', segmentBytes, 1);
  refuseCount('keepSnapshots', keepSnapshots, 2);
  refuseRetention(retention);
  return { ...options, durability, segmentBytes, keepSnapshots, retention, clock };
}

/** Throws `E_CONFIG` for what is no name of a model. */
export function refuseName(name: string): void {
  if (typeof name === 'string' && name !== '' && name.length <= 256 && isPrintable(name)) return;
  throw new GradwireError('E_CONFIG', `the model's name must be 1 to 256 printable characters; got ${quote(String(name))}`);
}

/** Throws `E_CONFIG` for what is no durability. */
export function refuseDurability(durability: Durability): void {
  if (['fsync', 'os', 'none'].includes(durability)) return;
  throw new GradwireError('E_CONFIG', `durability must be "fsync", "os" or "none"; got ${quote(String(durability))}`);
}

/** Throws `E_CONFIG` for what is no count, or less than the least. */
function refuseCount(name: string, value: unknown, least: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= least) return;
  throw new GradwireError('E_CONFIG', `${name} must be an integer from ${least}; got ${String(value)}`);
}
