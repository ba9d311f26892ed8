// One direction of a connection through the proxy: its bytes in order, late, slow, in small pieces or not at all.
import type { Socket } from 'node:net';
import type { Random } from '../random.ts';

/** What bytes go through. */
export interface Weather {
  /** Delay of every piece, in milliseconds. Pieces travel at the same time, as on a long wire. */
  readonly latencyMs?: number;
  /** A random part of it comes on top for each piece. Their order stays. */
  readonly jitterMs?: number;
  /** What the wire takes; without it, everything. */
  readonly bytesPerSecond?: number;
  /** Bytes are written in pieces of a random length from 1 to this, each in a turn of its own. */
  readonly pieceBytes?: number;
}

/** Time, so that a test can be the clock. */
export interface Clock {
  nowMs(): number;
  /** Resolves in so many milliseconds. */
  after(ms: number): Promise<void>;
}

/** What a lane is made of. */
export interface LaneParts {
  readonly from: Socket;
  readonly to: Socket;
  /** Read for each piece. */
  readonly weather: () => Weather;
  readonly random: Random;
  readonly clock: Clock;
  /** How many of so many bytes still go through; where that is fewer, `onSpent` is called after them. */
  readonly spend: (bytes: number) => number;
  readonly onSpent: () => void;
}

interface Piece {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

// what is on its way beyond this is left in the sender's socket
const mostQueued = 64 << 10;

/** Bytes from one socket to another. */
export class Lane {
  readonly #parts: LaneParts;
  readonly #queue: Piece[] = [];
  #queued = 0;
  #busyUntilMs = 0;
  #lastDueMs = 0;
  #running = false;
  #stalled = false;
  #ended = false;

  constructor(parts: LaneParts) {
    this.#parts = parts;
    parts.from.on('data', (chunk: Buffer) => this.#enter(chunk));
    parts.to.on('drain', () => void this.#run());
  }

  /** Nothing moves from now on, or everything that waited goes on. */
  stall(on: boolean): void {
    this.#stalled = on;
    this.#throttle();
    if (!on) void this.#run();
  }

  /** Nothing more is written. */
  end(): void {
    this.#ended = true;
  }

  #enter(chunk: Buffer): void {
    const { random, weather } = this.#parts;
    const { pieceBytes = chunk.byteLength } = weather();
    for (let at = 0; at < chunk.byteLength; ) {
      const length = pieceBytes < chunk.byteLength ? 1 + Math.floor(random() * pieceBytes) : chunk.byteLength;
      const bytes = chunk.subarray(at, at + length);
      this.#queue.push({ bytes, dueMs: this.#dueOf(bytes.byteLength) });
      at += length;
    }
    this.#queued += chunk.byteLength;
    this.#throttle();
    void this.#run();
  }

  /** When so many bytes that come now are at the other end: after those before them. */
  #dueOf(byteLength: number): number {
    const { random, weather, clock } = this.#parts;
    const { latencyMs = 0, jitterMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = weather();
    const nowMs = clock.nowMs();
    this.#busyUntilMs = Math.max(nowMs, this.#busyUntilMs) + (byteLength / bytesPerSecond) * 1000;
    const late = jitterMs > 0 ? random() * jitterMs : 0;
    this.#lastDueMs = Math.max(this.#lastDueMs, this.#busyUntilMs + latencyMs + late);
    return this.#lastDueMs;
  }

  #throttle(): void {
    const { from } = this.#parts;
    if (this.#stalled || this.#queued >= mostQueued) from.pause();
    else from.resume();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const { clock, to } = this.#parts;
    for (;;) {
      const [piece] = this.#queue;
      if (piece === undefined || this.#stalled || this.#ended || to.writableNeedDrain) break;
      const waitMs = piece.dueMs - clock.nowMs();
      if (waitMs > 0) await clock.after(waitMs);
      // the weather may have changed meanwhile
      if (this.#stalled || this.#ended) break;
      this.#queue.shift();
      this.#queued -= piece.bytes.byteLength;
      this.#write(piece.bytes);
      if (this.#queue.length > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#running = false;
    this.#throttle();
  }

  #write(bytes: Buffer): void {
    const { to, spend, onSpent } = this.#parts;
    const whole = spend(bytes.byteLength);
    if (whole > 0) to.write(bytes.subarray(0, whole));
    if (whole < bytes.byteLength) onSpent();
  }
}
