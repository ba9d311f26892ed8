// From a hello to a welcome: where the client goes on, and as which producer epoch.

import { refuseResume } from '../protocol/resume.ts';
import type { Hello, ResetReason, Welcome } from '../protocol/words.ts';
import type { Backlog } from './backlog.ts';
import type { Scope } from './feed.ts';
import type { ServeLimits } from './serve-options.ts';
import { foldedVersion, type Served } from './served.ts';
import type { WayUp } from './way-up.ts';

/** What a welcome is made from. */
export interface JoinContext {
  readonly served: Served;
  readonly epochsGiven: EpochsGiven;
  readonly limits: Pick<ServeLimits, 'creditBatches' | 'creditBytes'>;
}

/** Whom a welcome is for: what it follows, what it is fed from, and where its batches go up, if not to this server. */
export interface Welcomed {
  readonly scope: Scope;
  readonly backlog: Backlog;
  readonly wayUp?: WayUp | undefined;
}

/** The welcome for a hello; a worker with a way up of its own is who the trainer says. */
export function welcome(hello: Hello, context: JoinContext, { scope, backlog, wayUp }: Welcomed): Welcome {
  const { served, limits } = context;
  const version = hello.role === 'recorder' ? foldedVersion(served) : served.version();
  const { resumed, reason } = decide(hello, { served, scope, version }, backlog);
  return {
    type: 'welcome',
    run: served.run,
    epoch: served.epoch,
    version,
    layout: scope.layout.toJSON(),
    encoding: served.encoding?.() ?? 'f32',
    credit: { batches: limits.creditBatches, bytes: limits.creditBytes },
    resumed,
    reason,
    ...(hello.role === 'worker' ? (wayUp?.identity ?? identity(hello, context)) : {}),
    epochs: served.epochs,
    relays: served.relays,
  };
}

function decide(
  { resume, role, mode }: Hello,
  { served, scope, version: newest }: Pick<JoinContext, 'served'> & { readonly scope: Scope; readonly version: number },
  backlog: Backlog,
): { resumed: boolean; reason: ResetReason | null } {
  if (resume === undefined || mode === 'none') return { resumed: false, reason: null };
  const reason = refuseResume(resume, {
    run: served.run,
    epochs: served.epochs,
    version: newest,
    holds: role === 'recorder' ? 'batches' : 'weights',
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

/** Whether a producer that leaves its epoch to the server can get none, because the last that there can be is taken. */
export function hasNoEpochLeft({ role, producer, producerEpoch }: Hello, { served, epochsGiven }: JoinContext): boolean {
  if (role !== 'worker' || producer === undefined || producerEpoch !== undefined) return false;
  return epochsGiven.highest(producer, served.producer(producer)?.producerEpoch) >= Number.MAX_SAFE_INTEGER;
}

// as many as the trainer itself remembers
const mostProducers = 10_000;

/** Producer epochs that connections work under, of which the trainer may have seen no batch yet. */
export class EpochsGiven {
  readonly #given = new Map<string, number>();

  /** The highest epoch of the producer, given here or known from its batches; 0 where there is none. */
  highest(producer: string, known: number = 0): number {
    return Math.max(known, this.#given.get(producer) ?? 0);
  }

  /** The epoch that the producer asks for; otherwise one higher than any known of it, 1 for the first. */
  choose(producer: string, asked: number | undefined, known?: number): number {
    const highest = this.highest(producer, known);
    const epoch = asked ?? highest + 1;
    this.#given.delete(producer);
    this.#given.set(producer, Math.max(highest, epoch));
    const [oldest] = this.#given.size > mostProducers ? this.#given.keys() : [];
    if (oldest !== undefined) this.#given.delete(oldest);
    return epoch;
  }
}
