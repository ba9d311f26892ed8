// A replica: published weights as a fold over frames. It holds one whole version, or says why it does not.
import { bytesOf, digestOf } from './digest.ts';
import { GradwireError, quote } from './errors.ts';
import { checkHeader } from './frames/header-check.ts';
import type { Safetensors } from './frames/safetensors.ts';
import { type Position, readUpdate, type UpdateHeader } from './frames/update.ts';
import { readWeights } from './frames/weights.ts';
import { type Layout, sameLayout } from './layout.ts';
import { NoTensors } from './not-ready.ts';
import { applyForms } from './published/apply.ts';
import type { Tensors } from './tensors.ts';

/**
 * What became of a frame: `applied`; `stale`, a version that is behind; `older`, an epoch that is behind; `gap`, an update that does
 * not follow on this replica's version, run and epoch; `fork`, other weights of the very version that is held. Only `applied`
 * changes anything.
 */
export type Verdict = 'applied' | 'stale' | 'older' | 'gap' | 'fork';

/** Frames by what became of them. */
export interface ReplicaCounts {
  applied: number;
  stale: number;
  older: number;
  gap: number;
  fork: number;
  /** Frames that failed a check and changed nothing. */
  refused: number;
}

/** Reads a buffer, all of it checked. Throws an `E_ST_*` error. */
export type FrameReader = (frame: Uint8Array) => Safetensors;

/** Weights that follow a trainer's frames bit for bit, however those are read: see {@link Replica}. */
export class BaseReplica<Name extends string = string> {
  readonly #read: FrameReader;
  readonly counts: ReplicaCounts = { applied: 0, stale: 0, older: 0, gap: 0, fork: 0, refused: 0 };
  #weights: Tensors<Name> = new NoTensors<Name>();
  #model = '';
  #position: Position | undefined;
  #last: UpdateHeader | undefined;
  #drifted = false;

  constructor(read: FrameReader) {
    this.#read = read;
  }

  /** **Live view** of the weights: one whole version, overwritten by the next. Before the first weights frame there are none, and `get` throws `E_NOT_READY`. */
  get weights(): Tensors<Name> {
    return this.#weights;
  }

  get layout(): Layout<Name> {
    return this.#weights.layout;
  }

  /** The model's name, empty before the first weights frame. */
  get model(): string {
    return this.#model;
  }

  /** Where the replica stands; undefined before the first weights frame and after {@link forget}. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** The version of the weights, 0 before the first weights frame. */
  get version(): number {
    return this.#position?.version ?? 0;
  }

  /** The header of the update that was applied last, if any. */
  get lastUpdate(): UpdateHeader | undefined {
    return this.#last;
  }

  /** Whether the digest of an update has shown that these weights are not the trainer's; until the next weights frame. */
  get drifted(): boolean {
    return this.#drifted;
  }

  /** The xxHash64 of the weights in layout order, as 16 hexadecimal digits. */
  digest(): string {
    return digestOf(bytesOf(this.#weights.flat));
  }

  /**
   * Folds one weights or update frame, all of it or nothing, in this synchronous turn. Where `trainer` is given, all weights of
   * another run or epoch are refused: that is what a connection's welcome has promised.
   *
   * @throws GradwireError for a frame that is malformed or fails a check: nothing was applied, except with `E_DIGEST` on an
   *   update, which shows that the weights had drifted before: the position is forgotten then.
   */
  accept(frame: Uint8Array, trainer?: Pick<Position, 'run' | 'epoch'>): Verdict {
    try {
      const file = this.#read(frame);
      checkHeader(frame, file.metadata);
      const verdict = file.metadata.kind === 'weights' ? this.#join(file, trainer) : this.#follow(file);
      this.counts[verdict] += 1;
      return verdict;
    } catch (error) {
      this.counts.refused += 1;
      throw error;
    }
  }

  /** The trainer has proven that this replica's version belongs to its own history; updates of its epoch follow. */
  enter(epoch: number): void {
    if (this.#position !== undefined) this.#position = { ...this.#position, epoch };
  }

  /** Gives up the position, so that the next weights frame counts whatever its version. The weights stay readable until then. */
  forget(): void {
    this.#position = undefined;
  }

  #join(file: Safetensors, trainer: Pick<Position, 'run' | 'epoch'> | undefined): Verdict {
    const { header, digest, weights } = readWeights(file);
    const mine = this.#position;
    if (mine !== undefined && mine.run === header.run && header.epoch < mine.epoch) return 'older';
    if (trainer !== undefined && (header.run !== trainer.run || header.epoch !== trainer.epoch)) {
      const text = `weights of run ${quote(header.run)}, epoch ${header.epoch}, where ${quote(trainer.run)}, ${trainer.epoch} speaks`;
      throw new GradwireError('E_FRAME', `${text}; nothing was applied`);
    }
    if (mine !== undefined && mine.run === header.run) {
      if (header.epoch === mine.epoch && header.version < mine.version) return 'stale';
      if (header.epoch === mine.epoch && header.version === mine.version && digest !== this.digest()) return 'fork';
    }
    if (sameLayout(weights.layout, this.#weights.layout)) this.#weights.flat.set(weights.flat);
    else this.#weights = weights as Tensors<Name>;
    this.#drifted = false;
    this.#model = header.model;
    this.#position = { run: header.run, epoch: header.epoch, version: header.version };
    return 'applied';
  }

  #follow(file: Safetensors): Verdict {
    const mine = this.#position;
    if (mine === undefined) return 'gap';
    const { header, forms } = readUpdate(file, this.#weights.layout);
    if (header.run !== mine.run || header.epoch > mine.epoch) return 'gap';
    if (header.epoch < mine.epoch) return 'older';
    // what an encoding had dropped comes without a version of its own, as new values: twice does no harm
    const settles = header.from === header.version && header.encoding === 'f32' && header.version === mine.version;
    if (header.version <= mine.version && !settles) return 'stale';
    if (header.from !== mine.version) return 'gap';
    applyForms(this.#weights, forms, header.encoding);
    this.#position = { run: header.run, epoch: header.epoch, version: header.version };
    this.#last = header;
    this.#verify(header);
    return 'applied';
  }

  #verify({ version, digest }: UpdateHeader): void {
    if (digest === undefined || digest === this.digest()) return;
    const found = this.digest();
    this.forget();
    this.#drifted = true;
    throw new GradwireError(
      'E_DIGEST',
      `at version ${version} these weights have the digest ${found}, the trainer's have ${digest}; fetch all weights`,
    );
  }
}
