// The answers of one worker's connection: an ack leaves after the update that its batch made, and a peer that does not read
// its answers is not read either.
import type { Ack, Answer } from '../../operators/flow.ts';
import type { Feed } from './feed.ts';

/** Where answers go. */
export interface RepliesTarget {
  send(text: string, done: () => void): void;
  /** Too many answers wait to leave the process, or few enough again. */
  onClogged(clogged: boolean): void;
}

// far more than the credit, so that only a peer that does not read gets there
const mostUnsent = 64;

/** Answers on their way out. */
export class Replies {
  readonly #target: RepliesTarget;
  readonly #feed: Feed;
  readonly #newest: () => number;
  #held: [ack: Ack, sent: () => void][] = [];
  #unsent = 0;

  /** `newest` is the version of the newest update there is. */
  constructor(target: RepliesTarget, feed: Feed, newest: () => number) {
    this.#target = target;
    this.#feed = feed;
    this.#newest = newest;
  }

  /** Sends an answer, an ack not before its update; `sent` is called when it goes. */
  send(answer: Answer, sent: () => void): void {
    if (answer.type === 'ack' && this.#isEarly(answer)) this.#held.push([answer, sent]);
    else this.#write(answer, sent);
  }

  /** Sends the acks whose updates have gone. */
  flush(): void {
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = held.filter(([ack]) => this.#isEarly(ack));
    if (this.#held.length === held.length) return;
    for (const [ack, sent] of held) if (!this.#isEarly(ack)) this.#write(ack, sent);
  }

  // an update that is not in the backlog, or will be skipped, is not waited for
  #isEarly({ version }: Ack): boolean {
    return !this.#feed.lost && this.#feed.version < version && version <= this.#newest();
  }

  #write(answer: Answer, sent: () => void): void {
    sent();
    this.#unsent += 1;
    if (this.#unsent === mostUnsent) this.#target.onClogged(true);
    this.#target.send(JSON.stringify(answer), this.#left);
  }

  readonly #left = (): void => {
    if (this.#unsent === mostUnsent) this.#target.onClogged(false);
    this.#unsent -= 1;
  };
}
