// The subsets of tensors that are followed at a server: one for each distinct choice, and not more than a limit.
import { GradwireError } from '../../../src/errors.ts';
import type { Layout } from '../../../src/layout.ts';
import { known } from '../../../src/tensors.ts';
import { type CloseCode, closeCodes, closeReason } from '../protocol/close-codes.ts';
import type { Hello } from '../protocol/words.ts';
import type { ServeLimits } from './serve-options.ts';
import type { ServedCache } from './served.ts';
import { Subset } from './subset.ts';

type SubsetsLimits = Pick<ServeLimits, 'backlogFrames' | 'backlogBytes' | 'recordsMs' | 'subsets'>;

/** All subsets of one server. One that nobody follows any more is kept for a while, so that who was cut off can resume. */
export class Subsets {
  readonly #layout: Layout;
  readonly #cache: ServedCache;
  readonly #limits: SubsetsLimits;
  readonly #clock: () => number;
  readonly #subsets = new Map<string, Subset>();

  constructor(layout: Layout, cache: ServedCache, limits: SubsetsLimits, clock: () => number) {
    this.#layout = layout;
    this.#cache = cache;
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * The subset of these tensors, in whatever order they are named.
   *
   * @throws GradwireError `E_UNKNOWN` for a name that the model does not have; `E_BUSY` where as many others are followed as may be.
   */
  find(names: readonly string[]): Subset {
    const places = new Set(names.map((name) => this.#layout.tensors.indexOf(known(this.#layout, name))));
    const key = [...places].sort((a, b) => a - b).join();
    const found = this.#subsets.get(key);
    if (found !== undefined) return found;
    if (this.#subsets.size >= this.#limits.subsets) this.#makeRoom();
    const { backlogFrames: frames, backlogBytes: bytes } = this.#limits;
    const made = new Subset(this.#layout, new Set(names), this.#cache, { frames, bytes }, this.#clock);
    this.#subsets.set(key, made);
    return made;
  }

  /** The subset that a client follows, undefined for all tensors; or why it is not let in, as its connection's close. */
  scopeOf({ tensors, role }: Hello): Subset | undefined | [code: CloseCode, reason: string] {
    if (tensors === undefined) return undefined;
    if (role !== 'replica') return [closeCodes.forbidden, `E_FORBIDDEN: a ${role} needs all tensors; follow some as a replica`];
    try {
      return this.find(tensors);
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      return [error.retryable ? closeCodes.busy : closeCodes.unknownTensor, closeReason(error.message)];
    }
  }

  /** Forgets all of them; whoever followed one is gone, or about to be. */
  clear(): void {
    this.#subsets.clear();
  }

  /** Queues an update for all of them; gives the bytes that this made. */
  push(publication: Parameters<Subset['push']>[0]): number {
    let bytes = 0;
    for (const subset of this.#subsets.values()) bytes += subset.push(publication);
    return bytes;
  }

  /** Lets go of those that nobody has followed for so long that nobody will come back. */
  sweep(nowMs: number): void {
    for (const [key, subset] of this.#subsets) if (subset.idleMs(nowMs) >= this.#limits.recordsMs) this.#subsets.delete(key);
  }

  #makeRoom(): void {
    const [idle] = [...this.#subsets].find(([, subset]) => !subset.followed) ?? [];
    if (idle === undefined) {
      const text = `${this.#subsets.size} other choices of tensors are followed already; come back later, or follow all tensors`;
      throw new GradwireError('E_BUSY', text, { retryable: true });
    }
    this.#subsets.delete(idle);
  }
}
