// Six checks on what a replica went through: ordered, unique, gap-free, atomic, resumable, never backwards.
import type { Moment, Place } from './history.ts';

/** The six. */
export type Check = 'ordered' | 'unique' | 'gap-free' | 'atomic' | 'resumable' | 'never backwards';

/** A check that failed, and where. */
export interface Violation {
  readonly check: Check;
  readonly text: string;
}

/** What a history is held against. */
export interface Truth {
  /** The digest of the published weights at each version that was published, and another where what an encoding dropped followed. */
  readonly digests: ReadonlyMap<number, readonly string[]>;
  /** `latest`: the server may skip to the newest weights on a connection. */
  readonly mode: 'every' | 'latest';
  /** Whether a connection may fall off the backlog, and then gets all weights without a new welcome. */
  readonly mayFallOff: boolean;
  /** Whether a trainer that was started again may have other weights at the newest version than a replica: what an encoding owed. */
  readonly mayDiverge: boolean;
}

/** Everything that is wrong with a history. */
export function violationsIn(moments: readonly Moment[], truth: Truth): Violation[] {
  const walk = new Walk(truth);
  for (const moment of moments) walk.take(moment);
  return walk.violations;
}

class Walk {
  readonly violations: Violation[] = [];
  readonly #truth: Truth;
  readonly #applied = new Set<number>();
  #held: Place | undefined;
  // what is held is known not to be the trainer's, so its place is given up until all weights have come
  #disowned = false;
  // of the connection
  #asked: Place | undefined;
  #epoch = 0;
  #run = '';
  #at: number | undefined;
  #frame: Extract<Moment, { kind: 'frame' }> | undefined;

  constructor(truth: Truth) {
    this.#truth = truth;
  }

  take(moment: Moment): void {
    if (moment.kind === 'hello') this.#hello(moment);
    else if (moment.kind === 'welcome') this.#welcome(moment);
    else if (moment.kind === 'frame') this.#arrive(moment);
    else if (moment.kind === 'applied') this.#apply(moment);
    else this.#see(moment);
  }

  #demand(holds: boolean, check: Check, text: string): void {
    if (!holds) this.violations.push({ check, text });
  }

  #isOf(version: number, digest: string): boolean {
    return this.#truth.digests.get(version)?.includes(digest) === true;
  }

  #hello({ resume }: Extract<Moment, { kind: 'hello' }>): void {
    const held = this.#disowned ? undefined : this.#held;
    const same = resume?.run === held?.run && resume?.epoch === held?.epoch && resume?.version === held?.version;
    this.#demand(same, 'resumable', `it asked for ${place(resume)}, it stood at ${place(held)}`);
    const right = resume === undefined || this.#isOf(resume.version, resume.digest);
    this.#demand(right, 'resumable', `it came back to ${resume?.version} with another digest`);
    this.#asked = resume;
    this.#at = undefined;
    this.#frame = undefined;
  }

  #welcome({ run, epoch, version, resumed, reason }: Extract<Moment, { kind: 'welcome' }>): void {
    const held = this.#held;
    if (this.#asked === undefined) this.#demand(!resumed && reason === null, 'resumable', `a newcomer was resumed (${reason})`);
    else {
      const isRight = reason === 'backlog' || (reason === 'diverged' && this.#truth.mayDiverge);
      this.#demand(resumed || isRight, 'resumable', `${place(this.#asked)} was reset: ${reason}`);
      this.#demand(!resumed || run === this.#asked.run, 'resumable', `it was resumed in another run`);
      this.#demand(version >= this.#asked.version, 'never backwards', `the trainer is at ${version}, ${place(held)} is held`);
    }
    this.#demand(epoch >= (held?.epoch ?? 0), 'never backwards', `welcome of epoch ${epoch}, ${place(held)} is held`);
    if (reason === 'diverged') this.#disowned = true;
    this.#epoch = epoch;
    this.#run = run;
    this.#at = resumed ? this.#asked?.version : undefined;
    if (resumed && held !== undefined) this.#held = { ...held, epoch };
  }

  #arrive(frame: Extract<Moment, { kind: 'frame' }>): void {
    const { what, run, epoch, from, version } = frame;
    this.#demand(run === this.#run && epoch === this.#epoch, 'ordered', `a frame of epoch ${epoch} in epoch ${this.#epoch}`);
    const at = this.#at;
    if (what === 'weights') {
      const mayCome = at === undefined || this.#truth.mode === 'latest' || this.#truth.mayFallOff;
      this.#demand(mayCome, 'gap-free', `all weights of ${version} where ${at} was to be followed`);
      this.#demand(version >= (at ?? 0), 'ordered', `weights of ${version} came after ${at}`);
    } else {
      this.#demand(version >= from, 'ordered', `an update from ${from} to ${version}`);
      this.#demand(at !== undefined && from <= at, 'gap-free', `an update from ${from} came after ${at ?? 'nothing'}`);
      this.#demand(at === undefined || from >= at, 'unique', `an update from ${from} came after ${at}`);
    }
    this.#at = version;
    this.#frame = frame;
  }

  #apply({ what, from, version }: Extract<Moment, { kind: 'applied' }>): void {
    const held = this.#held;
    const frame = this.#frame;
    const next = frame?.what === what && frame.version === version;
    this.#demand(next, 'ordered', `${what} ${version} was applied after ${frame?.what} ${frame?.version} had come`);
    // what an encoding dropped comes without a version of its own; so do all weights of one that turned out to differ
    const again = frame?.from === version || (what === 'weights' && this.#truth.mayDiverge);
    this.#demand(again || !this.#applied.has(version), 'unique', `version ${version} was applied twice`);
    this.#demand(from === (held?.version ?? 0), 'gap-free', `${version} was applied on ${from}, ${place(held)} was held`);
    const follows = what === 'weights' || (frame?.from === held?.version && held !== undefined);
    this.#demand(follows, 'gap-free', `the update from ${frame?.from} to ${version} was applied on ${place(held)}`);
    const forth = version > (held?.version ?? -1) || (again && version === held?.version);
    this.#demand(forth, 'never backwards', `${version} was applied on ${place(held)}`);
    this.#applied.add(version);
    this.#disowned = false;
    this.#held = { run: frame?.run ?? '', epoch: frame?.epoch ?? 0, version };
  }

  #see({ epoch, version, digest }: Extract<Moment, { kind: 'seen' }>): void {
    const right = this.#truth.digests.get(version);
    this.#demand(this.#isOf(version, digest), 'atomic', `at ${version} it shows ${digest}, not ${right}`);
    const held = this.#held;
    const back = epoch < (held?.epoch ?? 0) || version < (held?.version ?? 0);
    this.#demand(!back, 'never backwards', `it shows ${epoch}/${version}, it held ${place(held)}`);
  }
}

function place(where: Omit<Place, 'run'> | undefined): string {
  return where === undefined ? 'nothing' : `${where.epoch}/${where.version}`;
}
