// The options of `gradwire serve` that say whom it lets through.
import { type Command, Option } from 'commander';
import { GradwireError } from '../../src/errors.ts';
import type { AdmissionPolicies } from '../operators/index.ts';
import { factor, integer } from './options.ts';

/** The options as the command takes them. */
export interface AdmissionSettings {
  maxStaleness?: number;
  staleness?: 'refuse' | 'scale';
  maxAbs?: number;
  maxNorm?: number;
  rate?: number;
  rateBurst?: number;
  quarantine?: number;
  quarantineMs?: number;
  synchronous?: number;
  deadlineMs?: number;
}

/** Adds them. */
export function addAdmission(command: Command): Command {
  const staleness = new Option(
    '--staleness <policy>',
    'gradients computed on older weights: refuse beyond --max-staleness, or scale their learning rate down, too (default: refuse)',
  );
  return command
    .option('--max-staleness <versions>', 'refuse gradients computed on older weights than this (default: no limit)', integer(0))
    .addOption(staleness.choices(['refuse', 'scale']))
    .option('--max-abs <number>', 'refuse batches with a larger |gradient| (default: 1e9)', factor)
    .option('--max-norm <number>', 'refuse batches with a larger L2 norm (default: no limit)', factor)
    .option('--rate <batches>', 'batches per second that each producer may push (default: no limit)', factor)
    .option('--rate-burst <batches>', 'batches that may come at once after a pause (default: those of a second)', factor)
    .option('--quarantine <count>', 'so many refused batches in a row, and a producer is not heard (default: never)', integer(1))
    .option('--quarantine-ms <ms>', 'how long it is not heard (default: 60000)', integer(1))
    .option(
      '--synchronous <workers>',
      'rounds: the mean of one batch from each of so many workers (default: no rounds)',
      integer(1),
    )
    .option(
      '--deadline-ms <ms>',
      'a round goes on without the others so long after its first batch (default: it waits)',
      integer(1),
    );
}

/** What they mean to a trainer. Throws `E_CONFIG` for one that is nothing without another. */
export function policiesIn(settings: AdmissionSettings): AdmissionPolicies & { readonly maxAbs?: number } {
  const { maxStaleness, staleness, maxAbs, maxNorm } = settings;
  const { rate, rateBurst, quarantine, quarantineMs, synchronous, deadlineMs } = settings;
  demandWith('rate-burst', rateBurst, 'rate', rate);
  demandWith('quarantine-ms', quarantineMs, 'quarantine', quarantine);
  demandWith('deadline-ms', deadlineMs, 'synchronous', synchronous);
  return {
    ...{ maxStaleness, staleness, maxAbs, maxNorm },
    rate: rate === undefined ? undefined : { perSecond: rate, burst: rateBurst },
    quarantine: quarantine === undefined ? undefined : { refusals: quarantine, forMs: quarantineMs },
    synchronous: synchronous === undefined ? undefined : { workers: synchronous, deadlineMs },
  };
}

function demandWith(name: string, value: unknown, other: string, present: unknown): void {
  if (value === undefined || present !== undefined) return;
  throw new GradwireError('E_CONFIG', `--${name} needs --${other}`);
}
