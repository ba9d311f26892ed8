// Logistic regression on hashed features: predicts a batch of flights, then gives the gradient it would learn from.
import { featuresPerFlight, weightCount } from './features.ts';
import type { Prequential } from './metrics.ts';
import type { Flights } from './source.ts';

/** The mean gradient of a batch as rows, strictly increasing, each with its value; `loss` is the batch's mean log loss. */
export interface Lesson {
  readonly rows: Int32Array;
  readonly values: Float32Array;
  readonly loss: number;
}

/** Predicts flights and derives gradients; keeps its scratch space between batches. */
export class Learner {
  readonly #gradient = new Float64Array(weightCount);
  readonly #touchedBy = new Int32Array(weightCount);
  #touched = new Int32Array(0);
  #batch = 0;

  /**
   * Tests `weights` on every flight, recording each prediction in `score`, and returns what the batch teaches.
   *
   * With z = Σ w[f] over a flight's features: p = 1 / (1 + e^−z), loss = −ln(p) or −ln(1 − p), and the gradient of each
   * of its weights is (p − y) / count.
   */
  learn(flights: Flights, weights: Float32Array, score: Prequential): Lesson {
    const { count, features, late } = flights;
    if (this.#touched.length < features.length) this.#touched = new Int32Array(features.length);
    const touched = this.#touched;
    const batch = ++this.#batch;
    let rowCount = 0;
    let loss = 0;
    for (let i = 0; i < count; i++) {
      const first = i * featuresPerFlight;
      let z = 0;
      for (let j = first; j < first + featuresPerFlight; j++) z += weights[features[j]];
      const probability = 1 / (1 + Math.exp(-z));
      loss += score.add(probability, late[i]);
      const error = (probability - late[i]) / count;
      for (let j = first; j < first + featuresPerFlight; j++) {
        const index = features[j];
        if (this.#touchedBy[index] !== batch) {
          this.#touchedBy[index] = batch;
          this.#gradient[index] = 0;
          touched[rowCount++] = index;
        }
        this.#gradient[index] += error;
      }
    }
    const rows = touched.slice(0, rowCount).sort();
    return { rows, values: Float32Array.from(rows, (index) => this.#gradient[index]), loss: loss / count };
  }
}
