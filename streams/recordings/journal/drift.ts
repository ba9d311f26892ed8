// A run that goes on keeps its model and its options: what the caller says explicitly must be what was recorded.
import { GradwireError, quote } from '../../../src/errors.ts';
import { type Layout, sameLayout } from '../../../src/layout.ts';
import type { RMSpropOptions } from '../../../src/rmsprop/options/hyperparameters.ts';
import { hyperparametersOf, namesIn } from '../../../src/rmsprop/options/options.ts';
import type { About } from '../segment/about.ts';

/** What a caller may say about a run; what is left open is as recorded. */
interface Expected<Name extends string = string> {
  readonly name?: string;
  readonly model?: Layout<Name>;
  readonly optimizer?: RMSpropOptions<Name>;
}

/** Throws `E_CONFIG_DRIFT` or `E_LAYOUT` where what is expected is not what was recorded. */
export function refuseDrift<Name extends string>({ name, model, optimizer = {} }: Expected<Name>, about: About): void {
  if (name !== undefined && name !== about.name) throw drift('the model name', quote(about.name), quote(name));
  if (model !== undefined) refuseLayout(about.model, model);
  // checked with their defaults, so that a wrong value is refused as such
  const recorded = hyperparametersOf(about.optimizer);
  const said = { preset: recorded.preset, ...optimizer };
  const names = namesIn(said);
  const given = hyperparametersOf(names.includes('lr') ? said : { ...said, lr: recorded.lr });
  for (const name of names) {
    const [was, is] = [shown(recorded[name]), shown(given[name])];
    if (was !== is) throw drift(name, was, is);
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'off');
}

function refuseLayout(recorded: Layout, given: Layout): void {
  if (sameLayout(recorded, given)) return;
  const different = given.tensors.find(({ name, shape }) => JSON.stringify(recorded.get(name)?.shape) !== JSON.stringify(shape));
  const missing = recorded.tensors.find(({ name }) => given.get(name) === undefined);
  const what =
    different !== undefined
      ? `${quote(different.name)} is [${recorded.get(different.name)?.shape ?? 'missing'}] in the recording, [${different.shape}] in the model given`
      : missing !== undefined
        ? `the model given lacks ${quote(missing.name)}`
        : 'the tensors stand in another order';
  throw new GradwireError('E_LAYOUT', `the recording is of another model: ${what}; nothing was changed`);
}

function drift(what: string, recorded: string, given: string): GradwireError {
  const text = `${what} is ${recorded} in the recording, ${given} in the options; leave it out to go on as recorded, or use a new directory`;
  return new GradwireError('E_CONFIG_DRIFT', text);
}
