// Prequential log loss and AUC: each flight counts with the prediction made before it was learned.

/** Predictions are counted in this many equal parts of 0…1; the AUC then errs by less than 1e-4. */
const binCount = 4096;

// a certain prediction that is wrong costs −ln(1e-15) ≈ 34.5, not infinity
const leastProbability = 1e-15;

/** Counts of predictions, that travel between processes and add up. */
export interface Counts {
  readonly flights: number;
  readonly late: Uint32Array;
  readonly onTime: Uint32Array;
  readonly lossSum: number;
}

/** A running score of predictions; several add up to one. */
export class Prequential {
  readonly #late = new Uint32Array(binCount);
  readonly #onTime = new Uint32Array(binCount);
  #flights = 0;
  #lossSum = 0;

  /** Flights scored. */
  get flights(): number {
    return this.#flights;
  }

  /** Counts one prediction, `label` 1 (late) or 0, and returns its log loss. */
  add(probability: number, label: number): number {
    const bin = Math.min(binCount - 1, Math.floor(probability * binCount));
    (label === 1 ? this.#late : this.#onTime)[bin]++;
    const loss = -Math.log(Math.max(leastProbability, label === 1 ? probability : 1 - probability));
    this.#lossSum += loss;
    this.#flights++;
    return loss;
  }

  /** Adds what another score counted. */
  merge({ flights, late, onTime, lossSum }: Counts): void {
    for (let i = 0; i < binCount; i++) {
      this.#late[i] += late[i];
      this.#onTime[i] += onTime[i];
    }
    this.#flights += flights;
    this.#lossSum += lossSum;
  }

  /** Hands over what was counted, and starts again from nothing. */
  take(): Counts {
    const counts = { flights: this.#flights, late: this.#late.slice(), onTime: this.#onTime.slice(), lossSum: this.#lossSum };
    this.#late.fill(0);
    this.#onTime.fill(0);
    this.#flights = 0;
    this.#lossSum = 0;
    return counts;
  }

  /** Mean log loss in nats; NaN before the first flight. */
  get logLoss(): number {
    return this.#lossSum / this.#flights;
  }

  /** The log loss of always predicting the share of late flights: what a model has to beat. */
  get baseLogLoss(): number {
    const late = this.#late.reduce((sum, count) => sum + count, 0) / this.#flights;
    return -late * Math.log(late) - (1 - late) * Math.log(1 - late);
  }

  /** The probability that a late flight was predicted higher than one on time, ties counting half; NaN while one of the two is missing. */
  get auc(): number {
    let late = 0;
    let onTime = 0;
    let ordered = 0;
    for (let i = 0; i < binCount; i++) {
      ordered += this.#late[i] * (onTime + this.#onTime[i] / 2);
      late += this.#late[i];
      onTime += this.#onTime[i];
    }
    return ordered / (late * onTime);
  }
}

/** The score of the latest flights: whole reports, the newest that hold at least `flights` of them. */
export class WindowedScore {
  readonly #flights: number;
  readonly #reports: Counts[] = [];
  #held = 0;

  constructor(flights: number) {
    this.#flights = flights;
  }

  /** Adds a report, and drops the oldest ones that are no longer needed. */
  push(counts: Counts): void {
    this.#reports.push(counts);
    this.#held += counts.flights;
    while (this.#held - this.#reports[0].flights >= this.#flights) {
      this.#held -= this.#reports[0].flights;
      this.#reports.shift();
    }
  }

  /** What the window holds, as one score. */
  score(): Prequential {
    const total = new Prequential();
    for (const report of this.#reports) total.merge(report);
    return total;
  }
}
