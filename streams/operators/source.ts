// A training that steps by itself, as `model.fit` does, and a trainer that follows it.
import type { Batch } from '../../src/gradients/batch.ts';
import type { Layout } from '../../src/layout.ts';
import type { RMSpropConfig } from '../../src/rmsprop/options/hyperparameters.ts';
import type { RMSpropState } from '../../src/rmsprop/state/state.ts';

/** Who folds the batches of a training again, and says when it must wait. */
export interface SourceFollower {
  /** Called before each step, with the bytes of its batch. Throws to keep it from being made, as with `E_BUSY`. */
  demandRoom(byteLength: number): void;
  /** Takes the batch that has just made `version`. Its arrays are owned; `digest` is that of the parameters, where it was taken. */
  take(batch: Batch, made: { readonly version: number; readonly digest: string | undefined }): void;
  /** Resolves when every batch that was taken is durable and folded; rejects where that cannot be any more. */
  idle(): Promise<void>;
}

/** A training that makes its steps itself, and tells a trainer of each. */
export interface TrainingSource {
  /** Binds the training to the variables that a layout names, or goes on with those that it has; the layout that it trains. */
  bind(model: Layout | undefined): Layout;
  getConfig(): RMSpropConfig;
  /** The whole state, as copies. */
  state(): RMSpropState;
  /** Goes on from another state of the same model, its parameters included. */
  adopt(state: RMSpropState): void;
  /** Has one follower from the next step on, until the returned function is called. */
  follow(follower: SourceFollower): () => void;
}
