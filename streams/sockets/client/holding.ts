// The weights that a remote replica holds: frames applied, and what becomes of them when a connection ends or starts over.
import { GradwireError } from '../../../src/errors.ts';
import type { Position } from '../../../src/frames/update.ts';
import { Replica } from '../../../src/replica.ts';
import type { Tensors } from '../../../src/tensors.ts';
import type { Resume } from '../protocol/words.ts';

/** A frame that has just been applied. */
export interface AppliedFrame {
  readonly kind: 'update' | 'weights';
  /** The version that the replica holds now. */
  readonly version: number;
  /** The version that it held before; 0 where it held none. */
  readonly from: number;
  /** The learning rate of the last step in it; undefined for a weights frame. */
  readonly learningRate: number | undefined;
  /** The frame: owned, never written again. */
  readonly frame: Uint8Array;
  /** The weights of that version: a **live view** that the next frame overwrites. */
  readonly weights: Tensors;
}

/** Whose frames a connection brings, by its welcome. */
type Trainer = Pick<Position, 'run' | 'epoch'>;

/** A replica, and where the weights that can be read are from. */
export class Holding<Name extends string = string> {
  readonly replica: Replica<Name> = new Replica<Name>();
  #held: Position | undefined;
  #replacing = false;
  #trainer: Trainer | undefined;

  /** Where the weights are from; undefined before the first. It stays while a replacement is on its way. */
  get held(): Position | undefined {
    return this.#held;
  }

  /** The place to resume from, with the digest of the weights; undefined where everything is needed. */
  place(): Resume | undefined {
    const { position } = this.replica;
    return position && { ...position, digest: this.replica.digest() };
  }

  /** Whether a trainer is older than the one whose weights these are. */
  outranks({ run, epoch }: Trainer): boolean {
    return this.#held !== undefined && this.#held.run === run && epoch < this.#held.epoch;
  }

  /** What is held goes on, as part of the history of that trainer. */
  resume(trainer: Trainer): void {
    this.#replacing = false;
    this.#trainer = trainer;
    this.replica.enter(trainer.epoch);
    this.#held = this.replica.position;
  }

  /** The next frame brings all weights of that trainer, whatever their version; until then those that are held stay. */
  replace(trainer: Trainer): void {
    this.#replacing = true;
    this.#trainer = trainer;
  }

  /** Gives up the place, so that the next connection asks for everything. The weights stay. */
  forget(): void {
    this.replica.forget();
  }

  /** Whether these weights are of that version but not of that digest, or of a version that the trainer has not made. */
  contradicts(version: number, digest: string): boolean {
    const mine = this.#replacing ? undefined : this.replica.position?.version;
    if (mine === undefined || mine < version) return false;
    return mine > version || digest !== this.replica.digest();
  }

  /**
   * Applies a frame; undefined where it is of a version that is behind.
   *
   * @throws GradwireError where it does not follow on what is held, or fails a check.
   */
  accept(frame: Uint8Array): AppliedFrame | undefined {
    const from = this.#held?.version ?? 0;
    const last = this.replica.lastUpdate;
    if (this.#replacing) this.replica.forget();
    const verdict = this.replica.accept(frame, this.#trainer);
    if (verdict === 'gap') throw new GradwireError('E_FRAME', `an update does not follow on version ${from}`);
    if (verdict === 'stale') return undefined;
    this.#replacing = false;
    this.#held = this.replica.position;
    const update = this.replica.lastUpdate;
    const isUpdate = update !== last;
    return {
      kind: isUpdate ? 'update' : 'weights',
      version: this.replica.version,
      from,
      learningRate: isUpdate ? update?.learningRate : undefined,
      frame,
      weights: this.replica.weights,
    };
  }
}
