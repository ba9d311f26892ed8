// The loss scale: what gradients are divided by, and how a dynamic one moves.
import type { DynamicLossScale } from '../options/hyperparameters.ts';

/** Where a loss scale stands. */
export interface LossScaleState {
  readonly scale: number;
  /** Batches without a value that is not finite since it last moved. */
  readonly good: number;
}

const largest = 2 ** 126;

/** A loss scale over the batches of one optimizer, as Keras' LossScaleOptimizer moves it. */
export class LossScale {
  readonly #growthSteps: number | undefined;
  #state: LossScaleState;

  constructor(setting: number | DynamicLossScale) {
    const { initial, growthSteps } = typeof setting === 'number' ? { initial: setting, growthSteps: undefined } : setting;
    this.#growthSteps = growthSteps;
    this.#state = { scale: initial, good: 0 };
  }

  /** What gradients are divided by now. */
  get scale(): number {
    return this.#state.scale;
  }

  /** Whether a batch that is not finite is skipped rather than refused. */
  get dynamic(): boolean {
    return this.#growthSteps !== undefined;
  }

  /** A batch was finite. */
  note(): void {
    // Stryker disable next-line ConditionalExpression: a fixed scale that counted would not move either
    if (this.#growthSteps === undefined) return;
    const { scale, good } = this.#state;
    const grows = good + 1 >= this.#growthSteps;
    this.#state = grows ? { scale: Math.min(scale * 2, largest), good: 0 } : { scale, good: good + 1 };
  }

  /** A batch was not, and is skipped. */
  halve(): void {
    this.#state = { scale: Math.max(this.#state.scale / 2, 1), good: 0 };
  }

  /** Where it stands; undefined where it never moves. */
  state(): LossScaleState | undefined {
    return this.dynamic ? this.#state : undefined;
  }

  restore(state: LossScaleState | undefined): void {
    if (state !== undefined && this.dynamic) this.#state = state;
  }
}
