// One connection's way through the backlog: the next frame goes out only while the socket takes it.

import type { Layout } from '../../../src/layout.ts';
import type { HelloMode } from '../protocol/words.ts';
import type { Backlog, BacklogEntry } from './backlog.ts';

/** A frame with everything, and the version it holds: of weights, or for a recorder a snapshot. */
export interface WeightsAt {
  readonly version: number;
  readonly frame: Uint8Array;
}

/** Where frames come from: one source for all replicas and workers of a server, one for all recorders. */
export interface FeedSource {
  readonly backlog: Backlog;
  /** Everything at the newest version. */
  weights(): WeightsAt;
  /** Monotonic milliseconds. */
  nowMs(): number;
}

/** What a client follows: all tensors of the model, or some. */
export interface Scope extends FeedSource {
  readonly layout: Layout;
  /** The xxHash64 of these weights at the newest version. */
  digest(): string;
  /** … and at an earlier one, where it is known. */
  digestAt(version: number): string | undefined;
}

/** Where they go. */
export interface FeedTarget {
  /** Bytes accepted that have not left the process. */
  bufferedAmount(): number;
  send(frame: Uint8Array): void;
  /** Bytes of whole messages, as they go over the wire. */
  write(messages: Buffer): void;
}

/** How a feed goes. */
export interface FeedOptions {
  readonly mode: HelloMode;
  /** No further frame while more than this is buffered. */
  readonly highWaterBytes: number;
  /** The least time between two weights frames to a target that fell off the backlog. */
  readonly resetMs: number;
}

/** A cursor, and the rule when it moves. */
export class Feed {
  readonly #source: FeedSource;
  readonly #target: FeedTarget;
  readonly #options: FeedOptions;
  // where the weights frame is smaller than what is missing, `latest` takes it
  #weightsBytes = 0;
  #cursor = 0;
  #version = 0;
  #blocked = false;
  #lost = true;
  #resetAtMs = Number.NEGATIVE_INFINITY;

  constructor(source: FeedSource, target: FeedTarget, options: FeedOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
  }

  /** The version that the target holds once it has read everything. */
  get version(): number {
    return this.#options.mode === 'none' ? this.#source.backlog.version : this.#version;
  }

  /** Whether frames wait until the target has read some. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Whether the next frame has left the backlog, so that only a weights frame helps. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Goes on after `version`, which the backlog covers. */
  resumeFrom(version: number): void {
    this.#place(version);
  }

  /** Starts with a weights frame. */
  start(): void {
    if (this.#options.mode !== 'none') this.#sendWeights();
  }

  /** Sends what the target takes. */
  pump(): void {
    if (this.#options.mode === 'none') return;
    if (this.#blocked && this.#options.mode === 'latest') this.#skip();
    while (this.#target.bufferedAmount() < this.#options.highWaterBytes) {
      if (!this.#advance()) {
        this.#blocked = false;
        return;
      }
    }
    this.#blocked = true;
  }

  /** One frame further, or a run of small ones; false where there is none to send. */
  #advance(): boolean {
    const { backlog } = this.#source;
    if (this.#cursor < backlog.first) this.#lost = true;
    if (this.#lost) return this.#recover();
    const entry = backlog.at(this.#cursor);
    if (entry === undefined) return false;
    // a weights frame may have been newer than the backlog
    const settles = entry.from === entry.version && entry.version === this.#version;
    if (entry.version <= this.#version && !settles) this.#cursor += 1;
    else if (entry.from !== this.#version) this.#lost = true;
    else this.#send(entry);
    return true;
  }

  #send({ frame, version }: BacklogEntry): void {
    const run = this.#source.backlog.runFrom(this.#cursor, this.#options.highWaterBytes);
    this.#cursor = run?.end ?? this.#cursor + 1;
    this.#version = run?.version ?? version;
    if (run === undefined) this.#target.send(frame);
    else this.#target.write(run.bytes);
  }

  #recover(): boolean {
    const nowMs = this.#source.nowMs();
    if (nowMs - this.#resetAtMs < this.#options.resetMs) return false;
    this.#resetAtMs = nowMs;
    this.#sendWeights();
    return true;
  }

  #skip(): void {
    const { backlog } = this.#source;
    if (this.#target.bufferedAmount() >= this.#options.highWaterBytes || this.#lost || this.#cursor < backlog.first) return;
    if (backlog.bytesFrom(this.#cursor) > this.#weightsBytes) this.#sendWeights();
  }

  #sendWeights(): void {
    const { version, frame } = this.#source.weights();
    this.#weightsBytes = frame.byteLength;
    this.#place(version, { isNewest: true });
    this.#target.send(frame);
  }

  #place(version: number, { isNewest = false }: { readonly isNewest?: boolean } = {}): void {
    const { backlog } = this.#source;
    this.#version = version;
    this.#cursor = backlog.find(version, { isNewest }) ?? backlog.end;
    this.#lost = false;
  }
}
