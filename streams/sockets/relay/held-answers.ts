// Answers that came from upstream before the update they speak of: they wait for it, as on a trainer's own connection.
import type { Answer } from '../../operators/flow.ts';

interface Held {
  readonly version: number;
  readonly deliver: () => void;
}

/** Acks of versions that the relay does not have yet. There are never more than batches under way. */
export class HeldAnswers {
  readonly #version: () => number;
  #held: Held[] = [];

  /** `version` is that of the newest update that was handed on. */
  constructor(version: () => number) {
    this.#version = version;
  }

  /** Hands an answer on: now, or for an ack once its update has been handed on. */
  pass(answer: Answer, to: (answer: Answer) => void): void {
    const deliver = (): void => to(answer);
    if (answer.type === 'nack' || answer.version <= this.#version()) deliver();
    else this.#held.push({ version: answer.version, deliver });
  }

  /** An update has been handed on. */
  release(): void {
    if (this.#held.length === 0) return;
    const version = this.#version();
    const due = this.#held.filter((each) => each.version <= version);
    this.#held = this.#held.filter((each) => each.version > version);
    for (const { deliver } of due) deliver();
  }

  /** The versions that were waited for belong to another history, or nobody waits any more. */
  releaseAll(): void {
    const all = this.#held;
    this.#held = [];
    for (const { deliver } of all) deliver();
  }
}
