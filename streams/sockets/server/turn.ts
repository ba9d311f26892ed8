// What is queued in one turn of the event loop, which leaves together at its end, or before where it is much.
import type { ServeLimits } from './serve-options.ts';

/** Frames that wait for the end of the turn. */
export class Turn {
  readonly #limits: Pick<ServeLimits, 'backlogFrames' | 'backlogBytes' | 'highWaterBytes'>;
  readonly #pump: () => void;
  #pumping: NodeJS.Immediate | undefined;
  #frames = 0;
  #bytes = 0;

  /** `pump` sends what waits, and says so with {@link done}. */
  constructor(limits: Pick<ServeLimits, 'backlogFrames' | 'backlogBytes' | 'highWaterBytes'>, pump: () => void) {
    this.#limits = limits;
    this.#pump = pump;
  }

  /** One frame more. */
  queue(bytes: number): void {
    this.#frames += 1;
    this.#bytes += bytes;
    // a turn that publishes much must not push anything out of the backlog before it was offered to the sockets
    const { backlogFrames, backlogBytes, highWaterBytes } = this.#limits;
    const much = this.#frames * 2 >= backlogFrames || this.#bytes >= Math.min(highWaterBytes, backlogBytes / 2);
    if (much) this.#pump();
    else this.#pumping ??= setImmediate(this.#pump);
  }

  /** All of them have been offered to the sockets. */
  done(): void {
    clearImmediate(this.#pumping);
    this.#pumping = undefined;
    this.#frames = 0;
    this.#bytes = 0;
  }
}
