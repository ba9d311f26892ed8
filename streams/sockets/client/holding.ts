// The weights that a remote replica holds: frames applied, and what becomes of them when a connection ends or starts over.
import { GradwireError } from '../../../src/errors.ts';
import { readLean } from '../../../src/frames/safetensors/lean.ts';
import type { Position } from '../../../src/frames/update.ts';
import { BaseReplica, type Verdict } from '../../../src/replica.ts';
import type { Tensors } from '../../../src/tensors.ts';
import type { Resume } from '../protocol/words.ts';
import { Fault } from './faults.ts';

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

/** Where weights are from, and how old that knowledge is: what a prediction is stamped with. */
export interface Stamp extends Position {
  /**
   * Milliseconds since these weights were last known to be the trainer's newest, or its next: since their frame was applied, or a
   * heartbeat or a welcome said that the trainer is at this version, with this digest.
   */
  readonly ageMs: number;
}

/** A replica, and where the weights that can be read are from. */
export class Holding<Name extends string = string> {
  readonly replica: BaseReplica<Name> = new BaseReplica<Name>(readLean);
  #held: Position | undefined;
  #replacing = false;
  #trainer: Trainer | undefined;
  #wrong: GradwireError | undefined;
  #knownMs = 0;

  /** Where the weights are from; undefined before the first. It stays while a replacement is on its way. */
  get held(): Position | undefined {
    return this.#held;
  }

  /** Why the weights are not to be read: they are known not to be the trainer's. Undefined where all is well. */
  get wrong(): GradwireError | undefined {
    return this.#wrong;
  }

  /** Throws `E_NOT_READY` before the first weights, and `E_DIGEST` where they are known not to be the trainer's. */
  stamp(): Stamp {
    if (this.#wrong !== undefined) throw this.#wrong;
    if (this.#held === undefined) throw new GradwireError('E_NOT_READY', 'no weights have arrived yet; wait for `ready`');
    const { run, epoch, version } = this.#held;
    return { run, epoch, version, ageMs: performance.now() - this.#knownMs };
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

  /** What is held goes on, as part of the history of that trainer, which is at `version`. */
  resume(trainer: Position): void {
    const { version } = trainer;
    this.#replacing = false;
    this.#trainer = trainer;
    this.replica.enter(trainer.epoch);
    this.#held = this.replica.position;
    if (this.#held?.version === version) this.#knownMs = performance.now();
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

  /** These weights are not those of the trainer; nobody reads them from now on, until all of them have been replaced. */
  disown(error: GradwireError): void {
    this.forget();
    if (this.#held !== undefined) this.#wrong = error;
  }

  /**
   * The trainer's newest version has that digest. Throws `E_DIGEST` where these weights are of that version but not of that digest,
   * or of a version that the trainer has not made.
   */
  compare(version: number, digest: string): void {
    const mine = this.#replacing ? undefined : this.replica.position?.version;
    if (mine === undefined || mine < version) return;
    if (mine > version || digest !== this.replica.digest())
      throw new Fault('fork', 'E_DIGEST', `at version ${version} these weights are not the trainer's`);
    this.#knownMs = performance.now();
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
    const verdict = this.#fold(frame);
    if (verdict === 'gap') throw new Fault('gap', 'E_FRAME', `an update does not follow on version ${from}`);
    if (verdict === 'older') throw new Fault('epoch', 'E_FRAME', `a frame of an older epoch than ${this.#held?.epoch} came`);
    if (verdict === 'fork') throw new Fault('fork', 'E_DIGEST', `at version ${from} these weights are not the trainer's`);
    if (verdict === 'stale') return undefined;
    this.#replacing = false;
    this.#held = this.replica.position;
    this.#knownMs = performance.now();
    const update = this.replica.lastUpdate;
    const isUpdate = update !== last;
    if (!isUpdate) this.#wrong = undefined;
    return {
      kind: isUpdate ? 'update' : 'weights',
      version: this.replica.version,
      from,
      learningRate: isUpdate ? update?.learningRate : undefined,
      frame,
      weights: this.replica.weights,
    };
  }

  #fold(frame: Uint8Array): Verdict {
    try {
      return this.replica.accept(frame, this.#trainer);
    } catch (error) {
      // applied, and only then found not to be the trainer's weights
      if (error instanceof GradwireError && this.replica.drifted) this.disown(error);
      throw error;
    }
  }
}
