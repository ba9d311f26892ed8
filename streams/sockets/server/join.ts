// From a hello to a welcome: where the client goes on, and as which producer epoch.

import { refuseResume } from '../protocol/resume.ts';
import type { Hello, ResetReason, Welcome } from '../protocol/words.ts';
import type { Backlog } from './backlog.ts';
import type { Scope } from './feed.ts';
import type { ServeLimits } from './serve-options.ts';
import type { Served } from './served.ts';

/** What a welcome is made from. */
export interface JoinContext {
  readonly served: Served;
  readonly epochsGiven: EpochsGiven;
  readonly limits: Pick<ServeLimits, 'creditBatches' | 'creditBytes'>;
}

/** The welcome for a hello of one who follows `scope` and is fed from `backlog`. */
export function welcome(hello: Hello, context: JoinContext, scope: Scope, backlog: Backlog): Welcome {
  const { served, limits } = context;
  const { resumed, reason } = decide(hello, served, scope, backlog);
  return {
    type: 'welcome',
    run: served.run,
    epoch: served.epoch,
    version: served.version(),
    layout: scope.layout.toJSON(),
    encoding: 'f32',
    credit: { batches: limits.creditBatches, bytes: limits.creditBytes },
    resumed,
    reason,
    ...(hello.role === 'worker' ? identity(hello, context) : {}),
  };
}

function decide(
  { resume }: Hello,
  served: Served,
  scope: Scope,
  backlog: Backlog,
): { resumed: boolean; reason: ResetReason | null } {
  if (resume === undefined) return { resumed: false, reason: null };
  const reason = refuseResume(resume, {
    run: served.run,
    epochs: served.epochs,
    version: served.version(),
    digestAt: (version) => scope.digestAt(version),
    covers: (version) => backlog.find(version) !== undefined,
  });
  return { resumed: reason === null, reason };
}

function identity(
  { producer, producerEpoch }: Hello,
  { served, epochsGiven }: JoinContext,
): Pick<Welcome, 'producerEpoch' | 'sequence'> {
  if (producer === undefined) return { producerEpoch: producerEpoch ?? null, sequence: null };
  const known = served.producer(producer);
  const epoch = epochsGiven.choose(producer, producerEpoch, known?.producerEpoch);
  return { producerEpoch: epoch, sequence: known?.producerEpoch === epoch ? known.sequence : null };
}

// as many as the trainer itself remembers
const mostProducers = 10_000;

/** Producer epochs that connections work under, of which the trainer may have seen no batch yet. */
export class EpochsGiven {
  readonly #given = new Map<string, number>();

  /** The epoch that the producer asks for; otherwise one higher than any known of it, 1 for the first. */
  choose(producer: string, asked: number | undefined, known: number = 0): number {
    const highest = Math.max(known, this.#given.get(producer) ?? 0);
    const epoch = asked ?? highest + 1;
    this.#given.delete(producer);
    this.#given.set(producer, Math.max(highest, epoch));
    const [oldest] = this.#given.size > mostProducers ? this.#given.keys() : [];
    if (oldest !== undefined) this.#given.delete(oldest);
    return epoch;
  }
}
