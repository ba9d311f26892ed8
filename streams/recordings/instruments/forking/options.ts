// Other hyper-parameters over those of a recording: merged by their one name each, and what that changed.
import { GradwireError, refuseUnknownOptions } from '../../../../src/errors.ts';
import type { RMSpropConfig, RMSpropOptions } from '../../../../src/rmsprop/options/hyperparameters.ts';
import { hyperparametersOf } from '../../../../src/rmsprop/options/options.ts';
import { isPreset, presets } from '../../../../src/rmsprop/options/presets.ts';

/** Hyper-parameters that differ from the recorded ones; `null` is the default. Where a fold starts, the recording says. */
export type ForkedOptions = Omit<RMSpropOptions, 'initial' | 'kernel' | 'threads'>;

/** Each hyper-parameter that is another: what it was, and what it is. */
export type ChangedOptions = Readonly<Record<string, readonly [was: unknown, is: unknown]>>;

/**
 * The recorded configuration with `given` over it. A preset's own names, such as `alpha`, stand for the recorded ones; what the
 * recording says of options that a new preset lacks is left out where it says that they are off.
 *
 * @throws GradwireError `E_CONFIG` for what no optimizer takes.
 */
export function mergeOptions(recorded: RMSpropConfig, given: ForkedOptions): RMSpropOptions {
  refuseUnknownOptions('optimizer', given, Object.keys(given ?? {}));
  for (const name of ['initial', 'kernel', 'threads'])
    if (Object.hasOwn(given, name))
      throw new GradwireError('E_CONFIG', `${name} is not for the fold of a recording; leave it out`);
  if (typeof given.lr === 'function')
    throw new GradwireError('E_CONFIG', 'lr must be a number or a schedule as plain data here; got a function');
  const preset = given.preset ?? recorded.preset ?? 'keras2';
  const names: Readonly<Record<string, string>> = isPreset(preset) ? presets[preset].names : {};
  const own = (name: string): string => (Object.hasOwn(names, name) ? names[name] : name);
  const replaced = new Set(Object.keys(given).flatMap((name) => [name, own(name)]));
  const kept = Object.entries(recorded).filter(([name, value]) => !replaced.has(name) && !(name === 'decay' && value === 0));
  for (const [name, value] of kept) {
    // the preset calls another option by this name: its value must not be taken for that one's
    if (own(name) !== name)
      throw new GradwireError(
        'E_CONFIG',
        `preset ${preset} has no ${name}, the recording has ${String(value)}; say ${name}: null`,
      );
  }
  const merged = { ...Object.fromEntries(kept), ...given };
  hyperparametersOf(merged);
  return merged;
}

/** What differs between two configurations as `getConfig` gives them, defaults filled in. */
export function changedOptions(was: RMSpropConfig, is: RMSpropConfig): ChangedOptions {
  const before = plain(was);
  const after = plain(is);
  const names = [...new Set([was, is, before, after].flatMap((each) => Object.keys(each)))];
  const changed = names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  return Object.fromEntries(changed.map((name) => [name, [before[name] ?? null, after[name] ?? null] as const]));
}

function plain(config: RMSpropConfig): Record<string, unknown> {
  return JSON.parse(JSON.stringify({ ...hyperparametersOf(config), lr: config.lr }));
}
