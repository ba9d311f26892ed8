// What an admission may be told of whom it lets through, the defaults, and what is refused.
import { GradwireError, refuseUnknownOptions } from '../../../src/errors.ts';

/** How many batches a producer may push: a token bucket. */
export interface RateLimit {
  /** Batches per second in the long run. */
  readonly perSecond: number;
  /** Batches that may come at once after a pause, at least 1; those of one second, and at least 1, unless told. */
  readonly burst?: number;
}

/** When a producer is not heard for a while. */
export interface QuarantineRule {
  /** Batches refused for their content, one after the other, with which it begins. */
  readonly refusals: number;
  /** How long it lasts; 60,000 ms unless told. */
  readonly forMs?: number;
}

/** Rounds: the mean of one batch from each of several producers makes one version. */
export interface SynchronousMode {
  /** Producers whose batches make a full round, 1 to 1,024. */
  readonly workers: number;
  /** After so long from its first batch a round goes on with those that are there; it waits for all unless told. */
  readonly deadlineMs?: number;
}

/** Whom an admission lets through, and how. */
export interface AdmissionPolicies {
  /** How many versions a batch's base may be behind; no limit unless told. */
  readonly maxStaleness?: number;
  /** What becomes of a batch computed on older weights: taken as it is, up to `maxStaleness` (`refuse`, default), or its learning rate is divided by its staleness (`scale`). */
  readonly staleness?: 'refuse' | 'scale';
  /** Largest L2 norm of a batch; no limit unless told. */
  readonly maxNorm?: number;
  /** Batches per second of each producer, or the bucket in full; no limit unless told. */
  readonly rate?: number | RateLimit;
  /** Refusals in a row after which a producer is not heard for a minute, or the rule in full; never unless told. */
  readonly quarantine?: number | QuarantineRule;
  /** Rounds instead of single batches; no rounds unless told. */
  readonly synchronous?: SynchronousMode;
}

/** The names of {@link AdmissionPolicies}. */
export const policyNames = ['maxStaleness', 'staleness', 'maxNorm', 'rate', 'quarantine', 'synchronous'] as const;

const mostWorkers = 1024;
const mostMs = 2 ** 31 - 1;

/** The bucket that `rate` means. */
export function rateLimitOf(rate: number | RateLimit): Required<RateLimit> {
  const { perSecond, burst = Math.max(1, perSecond) } = typeof rate === 'number' ? { perSecond: rate } : rate;
  return { perSecond, burst };
}

/** The rule that `quarantine` means. */
export function quarantineRuleOf(quarantine: number | QuarantineRule): Required<QuarantineRule> {
  const { refusals, forMs = 60_000 } = typeof quarantine === 'number' ? { refusals: quarantine } : quarantine;
  return { refusals, forMs };
}

/** Throws `E_CONFIG` for policies that cannot be meant. */
export function refusePolicies(policies: AdmissionPolicies): void {
  const { maxStaleness, staleness = 'refuse', maxNorm, rate, quarantine, synchronous } = policies;
  if (maxStaleness !== undefined && maxStaleness !== Number.POSITIVE_INFINITY) demandCount('maxStaleness', maxStaleness, 0);
  if (staleness !== 'refuse' && staleness !== 'scale')
    throw new GradwireError('E_CONFIG', `staleness must be "refuse" or "scale"; got ${String(staleness)}`);
  if (maxNorm !== undefined) demandPositive('maxNorm', maxNorm);
  if (rate !== undefined) refuseRate(rate);
  if (quarantine !== undefined) refuseQuarantine(quarantine);
  if (synchronous !== undefined) refuseSynchronous(synchronous, staleness);
}

function refuseRate(rate: number | RateLimit): void {
  if (typeof rate !== 'number') refuseUnknownOptions('rate', rate, ['perSecond', 'burst']);
  const { perSecond, burst } = rateLimitOf(rate);
  demandPositive('rate.perSecond', perSecond);
  if (!(Number.isFinite(burst) && burst >= 1))
    throw new GradwireError('E_CONFIG', `rate.burst must be a number from 1; got ${String(burst)}`);
}

function refuseQuarantine(quarantine: number | QuarantineRule): void {
  if (typeof quarantine !== 'number') refuseUnknownOptions('quarantine', quarantine, ['refusals', 'forMs']);
  const { refusals, forMs } = quarantineRuleOf(quarantine);
  demandCount('quarantine.refusals', refusals, 1);
  demandPositive('quarantine.forMs', forMs);
}

function refuseSynchronous(synchronous: SynchronousMode, staleness: string): void {
  refuseUnknownOptions('synchronous', synchronous, ['workers', 'deadlineMs']);
  const { workers, deadlineMs } = synchronous;
  demandCount('synchronous.workers', workers, 1, mostWorkers);
  if (deadlineMs !== undefined) demandCount('synchronous.deadlineMs', deadlineMs, 1, mostMs);
  if (staleness === 'scale')
    throw new GradwireError(
      'E_CONFIG',
      'staleness "scale" is for single batches, a round has no staleness of its own; give synchronous a maxStaleness',
    );
}

function demandCount(name: string, value: unknown, least: number, most: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  throw new GradwireError('E_CONFIG', `${name} must be an integer ${range}; got ${String(value)}`);
}

function demandPositive(name: string, value: unknown): void {
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return;
  throw new GradwireError('E_CONFIG', `${name} must be a number > 0; got ${String(value)}`);
}
