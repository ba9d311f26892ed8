// The answers to pushed batches, taken in the order of the batches: so many under way at once, counted by what became of them.
import { contentCodes, type ErrorCode, GradwireError } from '../../../src/errors.ts';
import type { Pushed } from '../../sockets/index.ts';
import { warn } from '../output.ts';

interface InOrderOptions {
  /** Batches under way at once. */
  readonly inFlight: number;
  /** Whether a batch that is refused is counted, and is no error. */
  readonly skipRefused?: boolean;
  /** The version before the first batch. */
  readonly upTo: number;
}

interface UnderWay {
  readonly version: number;
  readonly answer: Promise<Pushed>;
}

// what the target says of one batch; anything else is about the connection or the producer, and ends the push
const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([...contentCodes, 'E_STALE', 'E_TOO_LARGE']);

/** Batches under way, and what became of those that are answered. */
export class InOrder {
  readonly #options: InOrderOptions;
  readonly #underWay: UnderWay[] = [];
  /** The version up to which everything is answered. */
  upTo: number;
  /** Batches that were folded. */
  batches = 0;
  /** Batches that had been folded before. */
  duplicates = 0;
  refused = 0;

  constructor(options: InOrderOptions) {
    this.#options = options;
    this.upTo = options.upTo;
  }

  /** Notes a batch; resolves when there is room for another. Rejects with the refusal of an earlier one. */
  async add(version: number, answer: Promise<Pushed>): Promise<void> {
    // it is looked at in its turn
    answer.catch(() => undefined);
    this.#underWay.push({ version, answer });
    if (this.#underWay.length >= this.#options.inFlight) await this.#settleOldest();
  }

  /** Resolves when every batch is answered. Rejects with a refusal. */
  async all(): Promise<void> {
    while (this.#underWay.length > 0) await this.#settleOldest();
  }

  async #settleOldest(): Promise<void> {
    const [{ version, answer }] = this.#underWay;
    try {
      const { duplicate } = await answer;
      if (duplicate) this.duplicates += 1;
      else this.batches += 1;
    } catch (error) {
      this.#judge(error, version);
    }
    this.#underWay.shift();
    this.upTo = version;
  }

  #judge(error: unknown, version: number): void {
    if (!(error instanceof GradwireError)) throw error;
    // another run of this push sent it, with another base; the number names the batch
    if (error.code === 'E_SEQUENCE_REUSED') this.duplicates += 1;
    else if (this.#options.skipRefused === true && refusals.has(error.code)) {
      warn(`version ${version} was refused: ${error.message}`);
      this.refused += 1;
    } else {
      const after = this.#underWay.length - 1;
      const rest = after === 0 ? '' : `, and ${after} after it were under way`;
      const text = `version ${version} of the recording: ${error.text}; all up to version ${this.upTo} is acknowledged${rest}`;
      throw new GradwireError(error.code, text, { cause: error });
    }
  }
}
