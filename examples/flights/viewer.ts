// Takes the views of a run: rates over the last seconds while it lasts, over the whole run at its end.
import type { Replicas } from './replicas.ts';
import type { View } from './view.ts';
import type { Workers } from './workers.ts';

const rateOverSeconds = 3;

/** Looks at workers and replicas. */
export class Viewer {
  readonly #workers: Workers;
  readonly #replicas: Replicas;
  readonly #expected: number;
  #samples: { seconds: number; flights: number; batches: number }[] = [];

  /** `expected` flights are learned in this run if nothing ends it early. */
  constructor(workers: Workers, replicas: Replicas, expected: number) {
    this.#workers = workers;
    this.#replicas = replicas;
    this.#expected = expected;
  }

  /** The run at this moment, the trainer being at `version`; its rates cover the last seconds. */
  now(version: number): View {
    const { seconds, total, batches } = this.#workers;
    const sample = { seconds, flights: total.flights, batches };
    this.#samples = [...this.#samples.filter((earlier) => seconds - earlier.seconds < rateOverSeconds), sample];
    return this.#view(version, this.#samples[0]);
  }

  /** The whole run; its rates cover all of it. */
  whole(version: number): View {
    return this.#view(version, { seconds: 0, flights: 0, batches: 0 });
  }

  #view(version: number, since: { seconds: number; flights: number; batches: number }): View {
    const { seconds, total, latest, batches, stalenessSum, stalenessMax } = this.#workers;
    return {
      seconds,
      flights: total.flights,
      expected: this.#expected,
      flightsPerSecond: (total.flights - since.flights) / (seconds - since.seconds),
      batchesPerSecond: (batches - since.batches) / (seconds - since.seconds),
      version,
      total,
      latest: latest.score(),
      stalenessMean: stalenessSum / batches,
      stalenessMax,
      replicas: this.#replicas.positions,
    };
  }
}
