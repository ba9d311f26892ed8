// trainFrom: examples in, gradient batches out, for workers; with a worker the next examples are taken when it has credit for them.
import { defer, finalize, from, map, merge, type Observable } from 'rxjs';
import { GradwireError, refuseUnknownOptions } from '../../src/errors.ts';
import type { Batch } from '../../src/gradients/batch.ts';
import type { Layout } from '../../src/layout.ts';
import type { Tensors } from '../../src/tensors.ts';
import { namedGradients } from './gradients-of.ts';
import { type Examples, modelLoss, readExamples, type TfMath, type TfTrainable } from './model-loss.ts';
import { pulled, type Source } from './pulled.ts';
import type { TensorFlow, TfTensor, TfVariable } from './tensorflow.ts';
import { assignAll } from './values.ts';
import { matched, variablesOf } from './variables.ts';

/** A worker as `connect(url, { role: 'worker' })` gives it. */
export interface TrainingWorker {
  readonly ready: Promise<void>;
  readonly version: number;
  readonly weights: Tensors;
  push(batch: { readonly gradients: Batch['gradients']; base?: number; examples?: number; loss?: number }): Promise<unknown>;
}

/** How the gradients are made, and for whom. */
export interface TrainFromOptions {
  /**
   * The worker that pushes the batches. Before each batch the model gets the worker's newest weights, and the batch their version as
   * `base`; each batch is emitted once the trainer has it. Without one, batches are only made, at the pace of the examples.
   */
  readonly worker?: TrainingWorker;
  /** Batches pushed and not answered, at most: the next examples are taken only below it. 1 unless told; 8 is a trainer's credit. */
  readonly inFlight?: number;
  /** The loss of inputs and targets, a scalar; unless told the one that the model was compiled with. */
  readonly loss?: (xs: readonly TfTensor[], ys: readonly TfTensor[]) => TfTensor;
  /** The layout whose names the gradients get, where the model's own names differ; the worker's unless told. */
  readonly layout?: Layout;
  /** Whether the examples' tensors are disposed of after use; no unless told, for they are the caller's. */
  readonly dispose?: boolean;
  /** Examples of an observable that wait for the worker, at most; 1,024 unless told. Iterables wait by themselves. */
  readonly maxWaiting?: number;
}

/**
 * The gradients of a compiled model for each mini-batch of examples, `{ xs, ys }`, with the number of examples and the loss. Each
 * subscription starts anew. It leaves no tensor behind.
 *
 * @throws GradwireError `E_CONFIG` for options, or a model without a loss; the stream errs with `E_LAYOUT` where the worker's weights do
 *   not fit the model, `E_BUSY` where too many examples wait, and with what a push is refused with.
 */
export function trainFrom(
  tf: TensorFlow & TfMath,
  model: TfTrainable,
  batches$: Source<Examples>,
  options: TrainFromOptions = {},
): Observable<Batch> {
  refuseUnknownOptions('trainFrom', options, ['worker', 'inFlight', 'loss', 'layout', 'dispose', 'maxWaiting']);
  const { worker, inFlight = 1, maxWaiting = 1024, dispose = false, loss = modelLoss(tf, model) } = options;
  demandCount('inFlight', inFlight);
  demandCount('maxWaiting', maxWaiting);
  const variables = variablesOf(model);
  const gradients = (examples: Examples, layout: Layout | undefined): Batch => {
    const { xs, ys } = readExamples(examples);
    const names = namesFor(layout, variables);
    const batch = namedGradients(
      tf,
      () => loss(xs, ys),
      variables,
      (variable) => names.get(variable) ?? variable.name,
    );
    const count = xs[0].shape[0] ?? 1;
    if (dispose) for (const tensor of [...xs, ...ys]) tensor.dispose();
    return { ...batch, examples: count };
  };
  if (worker === undefined)
    return defer(() => from(batches$ as Iterable<Examples>)).pipe(map((examples) => gradients(examples, options.layout)));
  return defer(() => {
    const examples = pulled(batches$, maxWaiting);
    let held: number | undefined;
    const make = (each: Examples): Batch => {
      const { version, weights } = worker;
      const { layout = weights.layout } = options;
      const targets = matched(weights.layout, variables);
      if (held !== version)
        assignAll(
          tf,
          weights.layout.tensors.map(({ name }, i) => [targets[i], weights.get(name)] as const),
        );
      held = version;
      return { ...gradients(each, layout), base: version };
    };
    async function* lane(by: TrainingWorker): AsyncGenerator<Batch> {
      await by.ready;
      for (let next = await examples.next(); next.done !== true; next = await examples.next()) {
        const batch = make(next.value);
        await by.push(batch);
        yield batch;
      }
    }
    return merge(...Array.from({ length: inFlight }, () => from(lane(worker)))).pipe(finalize(() => examples.end()));
  });
}

function namesFor(layout: Layout | undefined, variables: readonly TfVariable[]): ReadonlyMap<TfVariable, string> {
  if (layout === undefined) return new Map();
  return new Map(matched(layout, variables).map((variable, i) => [variable, layout.tensors[i].name]));
}

function demandCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new GradwireError('E_CONFIG', `${name} must be an integer from 1; got ${String(value)}`);
}
