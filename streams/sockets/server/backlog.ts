// The shared backlog: the newest update frames, once for all connections. A connection keeps a cursor into it, never a queue.
import { messages } from './messages.ts';

/** An update frame in the backlog. */
export interface BacklogEntry {
  /** The version that it applies to; `version` itself where it only brings what an encoding had dropped. */
  readonly from: number;
  readonly version: number;
  /** Shared by all sockets, never written. */
  readonly frame: Uint8Array;
  /** Bytes of all frames that came before it. */
  readonly bytesBefore: number;
  /** Whether it follows on a frame that brought what had been dropped, so that it fits only holders of that. */
  readonly settled: boolean;
}

/** Small frames that follow on each other, as the bytes of their WebSocket messages: one write for all of them. */
export interface BacklogRun {
  /** Shared by all sockets, never written. */
  readonly bytes: Buffer;
  /** The cursor behind the last of them. */
  readonly end: number;
  /** The version that the last of them makes. */
  readonly version: number;
}

// a run costs each byte one copy, whatever the number of sockets; from some size on a write of its own costs less
const runBytes = 64 << 10;
const smallBytes = 16 << 10;

/** How much is kept. The newest frame is kept whatever its size. */
export interface BacklogLimits {
  readonly frames: number;
  readonly bytes: number;
}

/**
 * Update frames in version order without holes. A cursor is a serial number: the count of frames before it since the start;
 * {@link end} is the cursor of one who has everything.
 */
export class Backlog {
  readonly #limits: BacklogLimits;
  readonly #ring: (BacklogEntry | undefined)[];
  #first = 0;
  #end = 0;
  #version: number;
  #pushedBytes = 0;
  #run: (BacklogRun & { readonly start: number }) | undefined;
  // what stands before it is sent to those who are there, and no longer to those who come
  #resumable = 0;
  // the version whose weights got what an encoding had dropped, if that was the newest frame
  #settled: number | undefined;

  /** An empty backlog after `version`. */
  constructor(version: number, limits: BacklogLimits) {
    this.#limits = limits;
    this.#ring = new Array(limits.frames).fill(undefined);
    this.#version = version;
  }

  /** The newest version. */
  get version(): number {
    return this.#version;
  }

  /** The serial number of the oldest frame. */
  get first(): number {
    return this.#first;
  }

  /** The serial number of the frame that comes next. */
  get end(): number {
    return this.#end;
  }

  /** Bytes kept. */
  get byteLength(): number {
    return this.bytesFrom(this.#first);
  }

  /** Adds the newest frame and drops the oldest ones beyond the limits; everything, where the frame does not follow on the last. */
  push({ from, version, frame }: Pick<BacklogEntry, 'from' | 'version' | 'frame'>): void {
    if (from !== this.#version) this.#dropUntil(this.#end);
    if (this.#end - this.#first === this.#limits.frames) this.#dropUntil(this.#first + 1);
    this.#ring[this.#end % this.#limits.frames] = {
      from,
      version,
      frame,
      bytesBefore: this.#pushedBytes,
      settled: this.#settled === from,
    };
    this.#end += 1;
    this.#pushedBytes += frame.byteLength;
    this.#version = version;
    this.#run = undefined;
    this.#settled = from === version ? version : undefined;
    while (this.byteLength > this.#limits.bytes && this.#end - this.#first > 1) this.#dropUntil(this.#first + 1);
  }

  /** The frame at a cursor; undefined where it has been dropped or is still to come. */
  at(serial: number): BacklogEntry | undefined {
    return serial >= this.#first && serial < this.#end ? this.#ring[serial % this.#limits.frames] : undefined;
  }

  /**
   * The small frames from a cursor on, of `mostBytes` together or a single one: the same bytes for all whose cursor is there.
   * Undefined where the frame there is not small.
   */
  runFrom(serial: number, mostBytes: number): BacklogRun | undefined {
    if (this.#run?.start === serial) return this.#run;
    const frames: Uint8Array[] = [];
    let bytes = 0;
    let last: BacklogEntry | undefined;
    for (
      let entry = this.at(serial);
      entry !== undefined && entry.frame.byteLength <= smallBytes;
      entry = this.at(serial + frames.length)
    ) {
      bytes += entry.frame.byteLength;
      if (bytes > Math.min(mostBytes, runBytes) && last !== undefined) break;
      frames.push(entry.frame);
      last = entry;
    }
    if (last === undefined) return undefined;
    this.#run = { start: serial, bytes: messages(frames), end: serial + frames.length, version: last.version };
    return this.#run;
  }

  /**
   * The cursor of a holder of that version; undefined where the frame that follows on it is not here. One who may or may not
   * have what an encoding had dropped gets it again, which does no harm; `isNewest` says that it holds all there is of it.
   */
  find(version: number, { isNewest = false }: { readonly isNewest?: boolean } = {}): number | undefined {
    if (version === this.#version && (isNewest || this.#settled !== version)) return this.#end;
    let low = Math.max(this.#first, this.#resumable);
    let high = this.#end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.at(middle)?.from ?? 0) < version) low = middle + 1;
      else high = middle;
    }
    const entry = this.at(low);
    return entry?.from === version && (!entry.settled || entry.version === version) ? low : undefined;
  }

  /** From here on nobody resumes from before the newest version, as where a frame with all weights stands between. */
  bar(): void {
    this.#resumable = this.#end;
  }

  /** Drops everything and goes on after `version`, which may be any. */
  restart(version: number): void {
    this.#dropUntil(this.#end);
    this.#version = version;
    this.#run = undefined;
  }

  /** Bytes from a cursor to the end. */
  bytesFrom(serial: number): number {
    return this.#pushedBytes - (this.at(serial)?.bytesBefore ?? this.#pushedBytes);
  }

  #dropUntil(serial: number): void {
    for (; this.#first < serial; this.#first++) this.#ring[this.#first % this.#limits.frames] = undefined;
  }
}
