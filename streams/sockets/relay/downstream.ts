// From a relay's replica to its clients: each frame as it came, and what becomes of clients where the stream does not just go on.
import { GradwireError } from '../../../src/errors.ts';
import { type Layout, sameLayout } from '../../../src/layout.ts';
import type { Follower } from '../client/follower.ts';
import type { AppliedFrame } from '../client/holding.ts';
import type { Hub } from '../server/hub.ts';
import type { HeldAnswers } from './held-answers.ts';
import type { Mirror } from './mirror.ts';

/** What it is made from. */
export interface DownstreamOptions {
  readonly mirror: Mirror;
  readonly follower: Follower<string>;
  readonly answers: HeldAnswers;
  /** Told where no client can be served any more. */
  readonly onFailed: (error: GradwireError) => void;
}

/** Hands on what the follower applies. */
export class Downstream {
  readonly #options: DownstreamOptions;
  readonly #layout: Layout;
  #hub: Hub | undefined;
  #early: ((hub: Hub) => void)[] = [];
  #run: string;
  #epoch: number;
  #version: number;
  #whole = true;

  /** Begins at the version that the follower holds; what comes until {@link attach} is kept. */
  constructor(options: DownstreamOptions) {
    const { mirror, follower } = options;
    this.#options = options;
    this.#layout = mirror.layout;
    this.#run = mirror.run;
    this.#epoch = mirror.epoch;
    this.#version = mirror.version();
    follower.welcomes.values$.subscribe(({ resumed, relays = [] }) => {
      if (relays.includes(mirror.id)) this.#options.onFailed(circle(mirror.upstream));
      else if (resumed && mirror.epoch !== this.#epoch) this.#cross();
    });
    follower.updates.values$.subscribe({ next: (applied) => this.#take(applied), error: () => undefined });
    follower.standing.status$.subscribe(() => this.#doubt());
  }

  /** The hub was made at the version at which this began. */
  attach(hub: Hub): void {
    this.#hub = hub;
    for (const action of this.#early) action(hub);
    this.#early = [];
  }

  #do(action: (hub: Hub) => void): void {
    if (this.#hub === undefined) this.#early.push(action);
    else action(this.#hub);
  }

  #take({ kind, from, version, frame, weights }: AppliedFrame): void {
    const { mirror, answers, onFailed } = this.#options;
    const { run, epoch, layout } = mirror;
    if (!sameLayout(layout, this.#layout)) {
      onFailed(new GradwireError('E_LAYOUT', 'the upstream has another model now; start this relay anew'));
      return;
    }
    const goesOn = this.#whole && run === this.#run && epoch === this.#epoch && version > this.#version;
    const before = this.#version;
    this.#moved(run, epoch, version);
    if (kind === 'update') this.#do((hub) => hub.pass({ from, version, frame, weights }));
    else if (goesOn) this.#do((hub) => skip(hub, { from: before, version, frame, weights }));
    else this.#do((hub) => startOver(hub, version));
    if (goesOn) answers.release();
    else answers.releaseAll();
  }

  /** A trainer that was started again goes on from here: everybody comes back, and resumes in its epoch. */
  #cross(): void {
    const { run, epoch } = this.#options.mirror;
    this.#moved(run, epoch, this.#version);
    this.#do((hub) => {
      // frames of the earlier epoch are only good for those who are in it
      hub.pump();
      hub.backlog.bar();
      hub.cache.forget();
      // it proves the weights of those who come back
      hub.cache.digest();
      hub.resync(`E_NOT_READY: the trainer goes on in epoch ${epoch}; come back to resume`);
    });
  }

  /** The replica has found its weights to be wrong: nobody gets them, and who has the right ones resumes when they are back. */
  #doubt(): void {
    if (this.#options.mirror.whole || !this.#whole) return;
    this.#whole = false;
    this.#do((hub) => {
      hub.cache.forget();
      hub.resync('E_NOT_READY: this relay fetches its weights anew; come back to resume');
    });
  }

  #moved(run: string, epoch: number, version: number): void {
    this.#run = run;
    this.#epoch = epoch;
    this.#version = version;
    this.#whole = true;
  }
}

/** The upstream has skipped versions: the clients here get the very frame that did it, in its place among the others. */
function skip(hub: Hub, entry: Parameters<Hub['pass']>[0]): void {
  hub.cache.forget();
  // a part of a frame with all weights is no update, so they come back for their part
  hub.resync('E_NOT_READY: the upstream skipped versions; come back', 'subsets');
  hub.pass(entry);
  hub.backlog.bar();
}

/** The upstream has begun anew: another run or epoch, or an earlier version. Each client comes back and is judged by the rules. */
function startOver(hub: Hub, version: number): void {
  hub.cache.forget();
  hub.backlog.restart(version);
  hub.resync('E_NOT_READY: the upstream started this relay over; come back');
}

function circle(upstream: string): GradwireError {
  return new GradwireError('E_CONFIG', `the upstream ${upstream} follows this very relay; no trainer is behind it`);
}
