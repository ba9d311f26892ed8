// The replica seen from the main process: how the weights do that it holds, and its digest at the end.
import { setTimeout as delay } from 'node:timers/promises';
import { type Member, startMember } from '../support/crew.ts';
import type { ReplicaMessage, ReplicaQuestion, Score } from './messages.ts';

// how long the replica may take for its last score
const finishTimeoutMs = 30_000;
const scoreEveryMs = 1_000;

/** The replica process of a run. */
export class Tester {
  /** The newest score, and that of the weights before the run. */
  score: Score | undefined;
  first: Score | undefined;
  /** xxHash64 of the weights it held when the trainer had ended. */
  digest: string | undefined;
  /** Settles with the first score, or where there will be none. */
  readonly started: Promise<unknown>;
  readonly #member: Member<ReplicaMessage, ReplicaQuestion>;
  readonly #final: Promise<void>;

  /** Starts a replica of the trainer at `url`; `trouble` hears, in one line, of its early end. */
  constructor(url: string, trouble: (line: string) => void) {
    const args = [url, String(scoreEveryMs)];
    this.#member = startMember(import.meta.url, { role: 'replica', number: 1, args });
    const { ended } = this.#member;
    const scored = this.#heard('score');
    this.#final = this.#heard('final');
    this.#member.onMessage((message) => {
      if (message.type === 'failed') return;
      this.score = message.score;
      this.first ??= message.score;
      if (message.type === 'final') this.digest = message.digest;
    });
    this.started = Promise.race([scored, ended]);
    void ended.then((reason) => {
      if (this.digest === undefined) trouble(reason ?? 'the replica ended before it had the final weights');
    });
  }

  #heard(type: ReplicaMessage['type']): Promise<void> {
    return new Promise((resolve) => {
      this.#member.onMessage((message) => {
        if (message.type === type) resolve();
      });
    });
  }

  /** To be called before the trainer ends: the replica says what it holds then. */
  finish(): void {
    this.#member.send({ type: 'finish' });
  }

  /** Resolves when it has said so, or has ended; then lets it go. */
  async finished(): Promise<void> {
    await Promise.race([this.#final, this.#member.ended, delay(finishTimeoutMs, undefined, { ref: false })]);
    this.#member.dismiss();
    await this.#member.ended;
  }
}
