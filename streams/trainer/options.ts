// What a trainer may be told, its defaults, and its checks.
import { GradwireError, refuseUnknownOptions } from '../../src/errors.ts';
import type { Layout } from '../../src/layout.ts';
import type { RMSpropOptions } from '../../src/rmsprop/options/hyperparameters.ts';
import { type AdmissionPolicies, policyNames, refusePolicies } from '../operators/admission/policies.ts';
import type { Guard } from '../operators/guard.ts';
import type { TrainingSource } from '../operators/index.ts';
import { type PublishSettings, refusePublishSettings } from '../operators/publish.ts';
import type { Durability, ReadProgress, Retention } from '../recordings/index.ts';
import type { ServeOptions } from '../sockets/index.ts';

/** When and how many snapshots a trainer writes. */
export interface SnapshotSettings {
  /** Versions between snapshots; 5,000 unless told. */
  readonly every?: number;
  /** Milliseconds after which what has changed is in a snapshot; 30,000 unless told. */
  readonly intervalMs?: number;
  /** Snapshots kept, at least 2; 3 unless told. */
  readonly keep?: number;
}

/** A trainer's options; a model or a directory with a run must be there. */
export interface TrainerOptions<Name extends string = string> extends AdmissionPolicies {
  /** The model. Not needed where `directory` has a run, which then must have the same. */
  readonly model?: Layout<Name>;
  /** The model's name in URLs and frames; `default` unless told, or that of the run in `directory`. */
  readonly name?: string;
  /** Hyper-parameters and initial parameters; a run that goes on keeps its own, and refuses others. */
  readonly optimizer?: RMSpropOptions<Name>;
  /** Where the recording and the snapshots are; without it nothing survives the process. */
  readonly directory?: string;
  /** What an ack means: `fsync` (default) survives power loss, `os` the process, `none` nothing. */
  readonly durability?: Durability;
  /** A segment of the recording that has as many bytes is closed and the next begun; 256 MiB unless told. */
  readonly segmentBytes?: number;
  /** When old segments of the recording are removed; never unless told. */
  readonly retention?: Retention;
  /** Ends another trainer that holds `directory`; such a trainer is `E_LOCKED` unless told. */
  readonly takeOver?: boolean;
  /** Told how far a recovery has come. */
  readonly progress?: (progress: ReadProgress) => void;
  /** The server; without it the trainer is this process' own. */
  readonly listen?: ServeOptions;
  readonly snapshots?: SnapshotSettings;
  /** In which encoding and how often replicas are told; each version in `f32` unless told. */
  readonly publish?: PublishSettings;
  /** Largest |g| of a batch: the optimizer's `maxAbs`, under which it stands in the recording; 1e9 unless told. */
  readonly maxAbs?: number;
  /** Bytes of unanswered `push`es of this process from which on another is `E_BUSY`, one being always allowed; 64 MiB unless told. */
  readonly maxWaitingBytes?: number;
  /**
   * Sees the statistics of each step before it is published, and answers whether it is: `'publish'` (or nothing), `'hold'`,
   * `{ hold: reason }`, or `{ rollback: version }`. One that throws holds the step back; `onError` is told.
   */
  readonly guard?: Guard;
  /** Told of what does not stop the trainer: a snapshot that could not be written, a guard that threw, its rollback that failed. */
  readonly onError?: (error: unknown) => void;
  /**
   * A training in this process that the trainer follows, as `tfRMSprop` of gradwire/tfjs is one: its batches are the trainer's, and
   * no others are taken. It goes on from what `directory` has. Up to `maxWaitingBytes` of its steps may wait for the journal.
   */
  readonly source?: TrainingSource;
}

const names = [
  'model',
  'name',
  'optimizer',
  'directory',
  'durability',
  'segmentBytes',
  'retention',
  'takeOver',
  'progress',
  'listen',
  'snapshots',
  'publish',
  'maxAbs',
  ...policyNames,
  'maxWaitingBytes',
  'guard',
  'onError',
  'source',
];

function refuseTrainerOptions({ snapshots = {}, publish = {}, ...options }: TrainerOptions<never>): void {
  const { maxWaitingBytes, segmentBytes, guard } = options;
  refuseUnknownOptions('trainer', options, names);
  refuseUnknownOptions('snapshots', snapshots, ['every', 'intervalMs', 'keep']);
  refusePublishSettings('publish', publish);
  const { every = 1, intervalMs = 1, keep = 2 } = snapshots;
  demandCount('snapshots.every', every, 1);
  demandCount('snapshots.keep', keep, 2);
  if (!(intervalMs > 0))
    throw new GradwireError('E_CONFIG', `snapshots.intervalMs must be a number > 0; got ${String(intervalMs)}`);
  refusePolicies(options);
  refuseAccumulation(options);
  if (guard !== undefined && typeof guard !== 'function')
    throw new GradwireError('E_CONFIG', `guard must be a function; got ${typeof guard}`);
  if (segmentBytes !== undefined) demandCount('segmentBytes', segmentBytes, 1);
  if (maxWaitingBytes !== undefined) demandCount('maxWaitingBytes', maxWaitingBytes, 1);
}

/** Checks the options, and gives them with one `maxAbs`, the optimizer's. Throws `E_CONFIG` for what cannot be meant, before anything is opened. */
export function settleTrainerOptions<Name extends string>(options: TrainerOptions<Name>): TrainerOptions<Name> {
  refuseTrainerOptions(options as TrainerOptions<never>);
  return withOneMaxAbs(options);
}

function withOneMaxAbs<Name extends string>(options: TrainerOptions<Name>): TrainerOptions<Name> {
  const { maxAbs, ...rest } = options;
  const { maxAbs: own } = options.optimizer ?? {};
  if (maxAbs === undefined) return options;
  if (own !== undefined && own !== null && own !== maxAbs)
    throw new GradwireError('E_CONFIG', `maxAbs is ${maxAbs} here and ${own} in optimizer; give one of them`);
  return { ...rest, optimizer: { ...options.optimizer, maxAbs } };
}

// the one update of several batches has no staleness of its own
function refuseAccumulation({ staleness, optimizer }: TrainerOptions<never>): void {
  const steps = optimizer?.gradientAccumulationSteps ?? optimizer?.gradient_accumulation_steps ?? 1;
  if (staleness !== 'scale' || steps === 1) return;
  const text = `staleness "scale" does not go with gradientAccumulationSteps ${steps}: one update of several batches has no one staleness`;
  throw new GradwireError('E_CONFIG', text);
}

function demandCount(name: string, value: unknown, least: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= least) return;
  throw new GradwireError('E_CONFIG', `${name} must be an integer from ${least}; got ${String(value)}`);
}
