// Random valid options of every preset, with a model, initial parameters and batches to fold: what the properties of the optimizer run over.
import fc from 'fast-check';
import type { GradientRecord } from '../../src/gradients/batch.ts';
import { layout } from '../../src/layout.ts';
import { batchesOf, initialOf } from './batches.ts';
import { origins, type PresetName, type ReferenceGroup, type ReferenceOptions } from './reference.options.ts';
import { Reference, type Slots } from './reference.ts';

/** One random case: an optimizer's options and what is folded with it. */
export interface OptionSet {
  readonly options: ReferenceOptions;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly initial: Readonly<Record<string, Float32Array | undefined>>;
  readonly batches: readonly GradientRecord[];
}

/** Every preset's name. */
export const presetNames = Object.keys(origins) as PresetName[];

const tensorNames = ['dense/kernel', 'dense/bias', 'embedding/table', 'norm/scale'];
const patterns = ['kernel', '^dense/', 'bias$', 'table|scale', 'nothing', '.'];

const shape = fc.oneof(
  { weight: 8, arbitrary: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }) },
  // around the blocks of 4,096 values in which norms are summed
  { weight: 1, arbitrary: fc.constantFrom([4095], [4096], [4097], [8193], [241, 17], [64, 64], [5, 1, 820]) },
);
const shapes = fc
  .array(shape, { minLength: 1, maxLength: 4 })
  .map((list) => Object.fromEntries(list.map((each, i) => [tensorNames[i], each])));

const oneOf = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const rho = oneOf(0, 0.5, 0.9, 0.95, 0.99, 0.999);
const limit = oneOf(0.01, 0.1, 0.5, 1, 100, 1e6);
const lambda = oneOf(0.004, 0.1, 1e-5);

const common = {
  rho,
  epsilon: oneOf(1e-3, 1e-7, 1e-8, 1e-10, 1e-20),
  lossScale: oneOf<ReferenceOptions['lossScale']>(1, 2, 8, 1024, 3, 'dynamic', { initial: 4, growthSteps: 2 }),
  gradientAccumulationSteps: oneOf(1, 1, 1, 2, 3),
  useEma: fc.boolean(),
  emaMomentum: oneOf(0.99, 0.5, 0, 0.9),
  emaOverwriteFrequency: oneOf(1, 2, 3),
  sparse: oneOf<'exact' | 'lazy'>('exact', 'lazy'),
  maxAbs: oneOf(1e9, 1e6, 1e15),
};
const clipvalue = oneOf(0.01, 0.5, 100);
const momentum = oneOf(0, 0, 0.9, 0.5, 0.99);
const centered = fc.boolean();
const excludeFromWeightDecay = oneOf(['bias'], ['nothing'], ['^embedding', 'scale$']);

// what each preset has beside the common options, and beside an lr
const own: Record<PresetName, Record<string, fc.Arbitrary<unknown>>> = {
  keras2: { decay: oneOf(0.5, 1e-4), clipnorm: limit, clipvalue },
  keras3: { momentum, centered, weightDecay: lambda, excludeFromWeightDecay },
  tf1: { momentum, centered, clipvalue },
  torch: { momentum, centered, weightDecay: lambda, excludeFromWeightDecay, globalClipnorm: limit, clipvalue },
  optax: {
    momentum,
    nesterov: fc.boolean(),
    centered,
    initialScale: oneOf(0, 1, 0.1),
    epsInSqrt: fc.boolean(),
    globalClipnorm: limit,
    clipvalue,
  },
  tfjs: { momentum, centered, clipvalue },
};

const groupsOf = (preset: PresetName): fc.Arbitrary<ReferenceGroup[]> =>
  fc.array(
    fc.record(
      {
        match: oneOf(...patterns),
        lrMultiplier: oneOf(0.1, 2, 0.3),
        rho,
        frozen: fc.boolean(),
        ...(preset === 'keras2' ? { decay: oneOf(0.5, 0.01), clipnorm: limit, clipvalue } : {}),
        ...(own[preset].weightDecay === undefined ? {} : { weightDecay: lambda }),
        ...(preset === 'keras3' ? {} : { clipvalue }),
        ...(preset === 'tf1' || preset === 'keras3' ? { clipnorm: limit } : {}),
      },
      { requiredKeys: ['match'] },
    ),
    { maxLength: 2 },
  );

/** Options that may not stand together are settled here: Keras 3 and TensorFlow 1 take one norm, nesterov needs momentum. */
function optionsOf(preset: PresetName): fc.Arbitrary<ReferenceOptions> {
  const all = fc.record(
    { preset: fc.constant(preset), lr: oneOf(0.001, 0.01, 0.1, 1), ...common, ...own[preset], groups: groupsOf(preset) },
    { requiredKeys: ['preset', 'lr'] },
  ) as fc.Arbitrary<ReferenceOptions>;
  const norms: fc.Arbitrary<ReferenceOptions> =
    preset === 'keras3'
      ? fc.oneof(fc.record({ clipnorm: limit }), fc.record({ globalClipnorm: limit }), fc.record({ clipvalue }), fc.constant({}))
      : preset === 'tf1'
        ? fc.oneof(fc.record({ clipnorm: limit }), fc.record({ globalClipnorm: limit }), fc.constant({}))
        : fc.constant({});
  return fc.tuple(all, norms).map(([options, norm]) => settled({ ...options, ...norm }));
}

function settled(options: ReferenceOptions): ReferenceOptions {
  const { nesterov, emaMomentum, emaOverwriteFrequency, ...others } = options;
  const { preset, momentum: mu = 0, useEma = false, globalClipnorm = 0, clipvalue: cut = 0, groups = [] } = others;
  const oneNorm = globalClipnorm > 0 || (preset === 'keras3' && cut > 0);
  const average = useEma ? { emaMomentum, emaOverwriteFrequency } : {};
  const withoutOwnNorm = groups.map(({ clipnorm: _, ...group }) => group);
  const all: ReferenceOptions = {
    ...others,
    ...average,
    ...(mu > 0 ? { nesterov } : {}),
    ...(oneNorm && others.groups !== undefined ? { groups: withoutOwnNorm } : {}),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** The case up to the batch that makes a value overflow: that limits keep values finite is for finite.test.ts. */
function whileFinite(set: OptionSet): OptionSet {
  const model = layout(set.shapes);
  const reference = new Reference(model, set.options, set.initial);
  const overflows = set.batches.findIndex((batch) => {
    reference.step(batch);
    return model.tensors.some(({ name }) => slotsOf(reference.get(name)).some((each) => !each.every(Number.isFinite)));
  });
  return overflows < 0 ? set : { ...set, batches: set.batches.slice(0, overflows) };
}

function slotsOf({ p, a, m = p, b = p, e = p, s = p }: Slots): Float32Array[] {
  return [p, a, m, b, e, s];
}

/** Random cases of one preset over such models; a value may overflow, which is the caller's to see. */
export function optionSetsOver(preset: PresetName, models: fc.Arbitrary<OptionSet['shapes']>): fc.Arbitrary<OptionSet> {
  return fc.tuple(optionsOf(preset), models).chain(([options, model]) =>
    fc.record({
      options: fc.constant(options),
      shapes: fc.constant(model),
      initial: initialOf(model),
      batches: batchesOf(model, options),
    }),
  );
}

/** Random cases of one preset. */
export function optionSetsOf(preset: PresetName): fc.Arbitrary<OptionSet> {
  return optionSetsOver(preset, shapes).map(whileFinite);
}

/** Random cases of every preset. */
export const optionSets: fc.Arbitrary<OptionSet> = fc.oneof(...presetNames.map(optionSetsOf));
