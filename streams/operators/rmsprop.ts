// rmsprop: the optimizer as an operator. Batches in, steps out.
import { defer, filter, finalize, map, type OperatorFunction } from 'rxjs';
import { GradwireError } from '../../src/errors.ts';
import type { Foldable } from '../../src/gradients/check.ts';
import type { Layout } from '../../src/layout.ts';
import type { RMSpropOptions } from '../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { RMSpropState } from '../../src/rmsprop/state/state.ts';
import type { Step } from './flow.ts';

/** Hyper-parameters and initial parameters, and what only a stream needs. */
export interface RMSpropOperatorOptions<Name extends string, Input> extends RMSpropOptions<Name> {
  /** A state to go on from, as `optimizer.state()` or a snapshot gives it, or what gives it to each subscription. */
  readonly state?: RMSpropState | (() => RMSpropState);
  /** Told of each batch that was refused; the stream lives on, and every step counts the refusals. */
  readonly onRefused?: (error: GradwireError, batch: Input) => void;
}

/**
 * Folds batches into a model's parameters and emits a {@link Step} for each.
 *
 * The optimizer belongs to the subscription: a second subscriber starts its own fold. A batch that does not fit is refused,
 * counted and changes nothing; errors of the source pass through. Bad options throw here, not in the stream.
 */
export function rmsprop<Name extends string, Input extends Foldable<Name> = Foldable<Name>>(
  model: Layout<Name>,
  { state, onRefused, ...options }: RMSpropOperatorOptions<Name, Input> = {},
): OperatorFunction<Input, Step<Name, Input>> {
  const { threads: _unused, ...withoutThreads } = options;
  new RMSprop(model, withoutThreads);
  return (source) =>
    defer(() => {
      const optimizer = new RMSprop(model, options);
      if (state !== undefined) optimizer.restore(typeof state === 'function' ? state() : state);
      let refused = 0;
      const fold = (batch: Input): Step<Name, Input> | undefined => {
        try {
          // an assignment to the step's own result, which nobody else has; a spread takes longer than a small step
          return Object.assign(optimizer.step(batch), { parameters: optimizer.parameters, batch, optimizer, refused });
        } catch (error) {
          if (!(error instanceof GradwireError)) throw error;
          refused += 1;
          onRefused?.(error, batch);
          return undefined;
        }
      };
      return source.pipe(
        map(fold),
        filter((step) => step !== undefined),
        finalize(() => optimizer.release()),
      );
    });
}
