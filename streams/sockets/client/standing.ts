// How a replica stands: its state and the reason, from the newest version that the trainer told of and the version held.
import { Emitter } from './emitter.ts';

/**
 * Heartbeats that tell of a version that does not come. A right server tells of one that it has not sent only where it holds back a
 * weights frame, which it does for three heartbeats.
 */
export const mostEmptyHeartbeats = 4;

/** How a replica stands. `reason` is there where there is one. */
export interface ConnectionStatus {
  /**
   * `connecting`: there is no connection, or no weights yet; the reason is why the last one was lost. `live`: every version comes as
   * it is made. `behind`: the trainer is more than `behindBy` versions ahead, or ahead and silent. `resyncing`: something was wrong (a
   * check, a digest, a gap, a fork, an older epoch), and what is missing is being fetched. `closed`: for good.
   */
  readonly state: 'connecting' | 'live' | 'behind' | 'resyncing' | 'closed';
  readonly reason?: string;
}

/** The states of one replica, one after the other. */
export class Standing {
  readonly #behindBy: number;
  readonly #emitter: Emitter<ConnectionStatus> = new Emitter<ConnectionStatus>(() => this.#now);
  #now: ConnectionStatus = { state: 'connecting' };
  #trainerVersion = 0;
  // a heartbeat told of it, so nothing older is on its way
  #dueVersion = 0;

  constructor(behindBy: number) {
    this.#behindBy = behindBy;
  }

  get status$(): Emitter<ConnectionStatus>['values$'] {
    return this.#emitter.values$;
  }

  /** As {@link status$} told last. */
  get now(): ConnectionStatus {
    return this.#now;
  }

  /** The newest version that the trainer told of. */
  get trainerVersion(): number {
    return this.#trainerVersion;
  }

  /** The trainer welcomes; `version` is its own, lower than before where it lost a part of its history. */
  welcomed(version: number): void {
    this.#trainerVersion = version;
    this.#dueVersion = 0;
  }

  /** The trainer is at `version` at least; `due` where everything up to it should be here. */
  told(version: number, { due = false }: { readonly due?: boolean } = {}): void {
    this.#trainerVersion = Math.max(version, this.#trainerVersion);
    if (due) this.#dueVersion = version;
  }

  /** Frames follow on `version`. */
  follow(version: number): void {
    const lag = this.#trainerVersion - version;
    if (lag <= this.#behindBy && version >= this.#dueVersion) this.#become('live');
    else this.#become('behind', `the trainer is at version ${this.#trainerVersion}, these weights are of ${version}`);
  }

  /** It is as `state` says, whatever it was. */
  set(state: ConnectionStatus['state'], reason?: string): void {
    this.#now = reason === undefined ? { state } : { state, reason };
    this.#emitter.next(this.#now);
    if (state === 'closed') this.#emitter.complete();
  }

  #become(state: ConnectionStatus['state'], reason?: string): void {
    if (this.#now.state !== state) this.set(state, reason);
  }
}
