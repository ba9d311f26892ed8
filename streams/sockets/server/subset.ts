// What those are fed from who follow some tensors only: derived frames, made once for all who follow the same ones.
import { bytesOf, digestOf } from '../../../src/digest.ts';
import { hasDigest, type Names, updateOf, weightsOf } from '../../../src/frames/subset.ts';
import { type Layout, layout } from '../../../src/layout.ts';
import type { Publication } from '../../operators/flow.ts';
import { Backlog, type BacklogLimits } from './backlog.ts';
import type { Scope, WeightsAt } from './feed.ts';
import type { ServedCache } from './served.ts';

// as many as of the whole model
const digestsRemembered = 256;

/** Some tensors of a model, for all connections that follow exactly these. */
export class Subset implements Scope {
  readonly layout: Layout;
  readonly backlog: Backlog;
  readonly #names: Names;
  readonly #cache: ServedCache;
  readonly #clock: () => number;
  readonly #digests = new Map<number, string>();
  #derived: (WeightsAt & { readonly digest: string }) | undefined;
  #followers = 0;
  #leftMs = 0;

  /** The tensors `names` of `model`, in the order of the model. */
  constructor(model: Layout, names: Names, cache: ServedCache, limits: BacklogLimits, clock: () => number) {
    this.layout = layout(model.tensors.filter(({ name }) => names.has(name)).map(({ name, shape }) => [name, shape] as const));
    this.#names = names;
    this.#cache = cache;
    this.#clock = clock;
    this.backlog = new Backlog(cache.version(), limits);
  }

  /** Whether somebody follows. */
  get followed(): boolean {
    return this.#followers > 0;
  }

  /** One more follows; it calls what this gives when it goes. */
  enter(): () => void {
    this.#followers += 1;
    return () => {
      this.#followers -= 1;
      this.#leftMs = this.#clock();
    };
  }

  /** For how long nobody has followed. */
  idleMs(nowMs: number): number {
    return this.followed ? 0 : nowMs - this.#leftMs;
  }

  weights(): WeightsAt {
    return this.#newest();
  }

  digest(): string {
    return this.#newest().digest;
  }

  digestAt(version: number): string | undefined {
    return version === this.#cache.version() ? this.digest() : this.#digests.get(version);
  }

  nowMs(): number {
    return this.#clock();
  }

  /** Queues the part of an update that is followed; gives its bytes. Called while `weights` are those of the update's version. */
  push({ from, version, frame, weights }: Pick<Publication, 'from' | 'version' | 'frame' | 'weights'>): number {
    // what an encoding had dropped changes the weights of a version that was there
    if (from === version) this.#derived = undefined;
    const digest = hasDigest(frame) ? this.#digestOf(weights.layout, weights.flat) : undefined;
    if (digest !== undefined) this.#remember(version, digest);
    const { buffer, byteOffset, byteLength } = updateOf(this.#names, frame, digest);
    this.backlog.push({ from, version, frame: Buffer.from(buffer, byteOffset, byteLength) });
    return byteLength;
  }

  #newest(): WeightsAt & { readonly digest: string } {
    const { version, frame } = this.#cache.weights();
    if (this.#derived?.version === version) return this.#derived;
    this.#derived = { version, ...weightsOf(this.#names, frame) };
    this.#remember(version, this.#derived.digest);
    return this.#derived;
  }

  #digestOf({ tensors }: Layout, flat: Float32Array): string {
    const own = tensors.filter(({ name }) => this.#names.has(name));
    return digestOf(...own.map(({ offset, length }) => bytesOf(flat.subarray(offset, offset + length))));
  }

  #remember(version: number, digest: string): void {
    this.#digests.set(version, digest);
    const [oldest] = this.#digests.size > digestsRemembered ? this.#digests.keys() : [];
    if (oldest !== undefined) this.#digests.delete(oldest);
  }
}
