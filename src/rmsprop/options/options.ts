// The optimizer's options read: one name for each, defaults filled in, everything checked; and written down again by getConfig.

import { GradwireError, quote, refuseUnknownOptions } from '../../errors.ts';
import { defaultMaxAbs } from '../../gradients/values.ts';
import { constraintOf } from '../constraints/constraints.ts';
import { configOfRate, learningRateOf } from '../schedules/schedules.ts';
import { wrong } from './demand.ts';
import { groupsOf } from './groups.ts';
import type { Group, Hyperparameters, RMSpropConfig, RMSpropOptions } from './hyperparameters.ts';
import { isPreset, type Preset, type PresetRules, presets, presetsWith } from './presets.ts';
import { lossScaleOf, refuseCombinations, refuseNumbers } from './ranges.ts';

const common = {
  decay: 0,
  momentum: 0,
  nesterov: false,
  centered: false,
  weightDecay: 0,
  excludeFromWeightDecay: [] as readonly string[],
  clipnorm: 0,
  clipvalue: 0,
  globalClipnorm: 0,
  epsInSqrt: true,
  useEma: false,
  emaMomentum: 0.99,
  emaOverwriteFrequency: 0,
  gradientAccumulationSteps: 1,
  lossScale: 1,
  groups: [] as readonly Group[],
  constraint: undefined,
  sparse: 'exact',
  maxAbs: defaultMaxAbs,
} as const;

const forAll = [
  ...['preset', 'lr', 'rho', 'epsilon', 'useEma', 'emaMomentum', 'emaOverwriteFrequency', 'gradientAccumulationSteps'],
  ...['lossScale', 'groups', 'constraint', 'sparse', 'maxAbs', 'initial', 'kernel', 'threads'],
];

/**
 * Options with defaults filled in and every value checked.
 *
 * @throws GradwireError `E_CONFIG` that names the option, what it is and what it may be.
 */
export function hyperparametersOf<Name extends string>(options: RMSpropOptions<Name>): Hyperparameters {
  // what is no object is refused; names are looked at with the preset's
  refuseUnknownOptions('RMSprop', options, Object.keys(options ?? {}));
  const preset = options.preset ?? 'keras2';
  if (!isPreset(preset)) throw wrong('preset', preset, `one of ${Object.keys(presets).join(', ')}`);
  const rules = presets[preset];
  const given = canonical(preset, rules, options as Record<string, unknown>);
  const { lr = rules.defaults.lr } = given;
  if (lr === undefined) throw new GradwireError('E_CONFIG', `preset ${preset} has no default learning rate; give lr`);
  const all = {
    ...common,
    ...rules.defaults,
    initialScale: rules.initialScale,
    ...given,
    preset,
    lr: learningRateOf(lr),
  } as Hyperparameters;
  refuseNumbers(all);
  refuseCombinations(all);
  return Object.freeze({
    ...all,
    lossScale: lossScaleOf(all.lossScale, all.maxAbs),
    groups: groupsOf(all.groups, all, rules),
    constraint: all.constraint === undefined ? undefined : constraintOf('constraint', all.constraint),
  });
}

/** The hyper-parameters that somebody gave, by their one name each. Throws `E_CONFIG` as {@link hyperparametersOf} does. */
export function namesIn<Name extends string>(options: RMSpropOptions<Name>): (keyof Hyperparameters)[] {
  const preset = options.preset ?? 'keras2';
  return Object.keys(canonical(preset, presets[preset], options as Record<string, unknown>)) as (keyof Hyperparameters)[];
}

/** The plain data that JSON keeps and `fromConfig` reads back. Throws `E_CONFIG` where the learning rate is a function. */
export function configOf(all: Hyperparameters): RMSpropConfig {
  const { preset, lr, rho, epsilon, decay } = all;
  const defaults: Record<string, unknown> = { ...common, initialScale: presets[preset].initialScale };
  const own = new Set(['preset', 'lr', 'rho', 'epsilon', 'decay']);
  const further = Object.entries(all).filter(
    ([name, value]) => !own.has(name) && JSON.stringify(value) !== JSON.stringify(defaults[name]),
  );
  const origin =
    preset === 'keras2' ? { lr: configOfRate(lr), rho, decay, epsilon } : { preset, lr: configOfRate(lr), rho, epsilon };
  return structuredCloneOf({ ...origin, ...Object.fromEntries(further) }) as RMSpropConfig;
}

/** Gives every option its one name, and refuses those that the preset does not have. */
function canonical(preset: Preset, { has, names }: PresetRules, options: Record<string, unknown>): Record<string, unknown> {
  const allowed = [...forAll, ...has];
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null) {
      if (value === null && (name === 'lr' || name === names[name])) throw wrong(name, value, 'a learning rate');
      continue;
    }
    const own = Object.hasOwn(names, name) ? names[name] : name;
    if (!allowed.includes(own)) refuseName(preset, name, [...allowed, ...Object.keys(names)]);
    if (Object.hasOwn(given, own)) throw new GradwireError('E_CONFIG', `${own} is given twice, once as ${quote(name)}`);
    given[own] = value;
  }
  const { initial: _initial, kernel = 'simd', threads, ...hyperparameters } = given;
  if (kernel !== 'simd' && kernel !== 'scalar') throw wrong('kernel', kernel, '"simd" or "scalar"');
  if (kernel === 'scalar' && threads !== undefined) throw new GradwireError('E_CONFIG', 'threads work with kernel "simd" alone');
  return hyperparameters;
}

function refuseName(preset: Preset, name: string, known: readonly string[]): never {
  const others = presetsWith(name).concat(
    (Object.keys(presets) as Preset[]).filter((each) => Object.hasOwn(presets[each].names, name)),
  );
  if (others.length > 0) {
    const text = `preset ${preset} has no option ${quote(name)}; it is one of ${[...new Set(others)].join(', ')}`;
    throw new GradwireError('E_CONFIG', text);
  }
  refuseUnknownOptions('RMSprop', { [name]: 0 }, known);
  throw new GradwireError('E_CONFIG', `unknown RMSprop option ${quote(name)}`);
}

/** A copy that shares nothing, of plain data. */
function structuredCloneOf<T>(data: T): T {
  return JSON.parse(JSON.stringify(data)) as T;
}
