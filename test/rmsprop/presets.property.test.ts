// Every preset and option over random models and batches: both kernels against the independent reference, as bits.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { GradientRecord } from '../../src/gradients/batch.ts';
import { type Layout, layout } from '../../src/layout.ts';
import { RMSprop, type StepResult } from '../../src/rmsprop/rmsprop.ts';
import { batchesOf, spoiled } from '../support/batches.ts';
import { sameBits } from '../support/bits.ts';
import { type OptionSet, optionSets, optionSetsOf, presetNames } from '../support/options.ts';
import { Reference, type ReferenceResult } from '../support/reference.ts';
import { refused } from '../support/refused.ts';
import { sameState } from '../support/states.ts';

const kernels = ['simd', 'scalar'] as const;
const runs = {
  includeErrorInReport: true,
  numRuns: Number(process.env.GRADWIRE_RUNS ?? 100),
  seed: Number(process.env.GRADWIRE_SEED ?? 20261),
};

const slots = { p: 'parameters', a: 'accumulator', m: 'meanGradient', b: 'momentum', e: 'average', s: 'gradientSum' } as const;

function make({ options, initial }: OptionSet, model: Layout, kernel: 'simd' | 'scalar' = 'simd'): RMSprop {
  return new RMSprop(model, { ...options, kernel, initial });
}

/** Parameters and every slot of every tensor, as bits. The average before the first update is nobody's business. */
function sameSlots(optimizer: RMSprop, reference: Reference, model: Layout, where: string): void {
  const state = optimizer.state();
  for (const { name, offset, length } of model.tensors) {
    const expected = reference.get(name);
    for (const [letter, field] of Object.entries(slots) as [keyof typeof slots, (typeof slots)[keyof typeof slots]][]) {
      const slot = expected[letter];
      assert.is(state[field] === undefined, slot === undefined, `${where}: whether there is ${field}`);
      if (slot === undefined || (letter === 'e' && reference.updates === 0)) continue;
      sameBits((state[field] as Float32Array).slice(offset, offset + length), slot, `${where} ${letter} of ${name}`);
    }
    sameBits(optimizer.parameters.get(name).slice(), expected.p, `${where} parameters of ${name}`);
  }
}

/** A norm whose squares were summed in float32. */
function isClose(found: number, expected: number): boolean {
  return Math.abs(found - expected) <= 1e-5 * expected;
}

/** Whether the norm of the gradient is the one that may clip, or of gradients that were made again: a sum in float64, to the bit. */
function normIsExact({ clipnorm = 0, globalClipnorm = 0, lossScale = 1, ...options }: OptionSet['options']): boolean {
  const { gradientAccumulationSteps = 1, groups = [] } = options;
  const clips = [{ clipnorm }, { clipnorm: globalClipnorm }, ...groups].some((each) => (each.clipnorm ?? 0) > 0);
  return clips || gradientAccumulationSteps > 1 || (typeof lossScale === 'number' && lossScale !== 1);
}

function sameResult(found: StepResult, expected: ReferenceResult, isExact: boolean, where: string): void {
  assert.is(found.version, expected.version, `${where}: version`);
  assert.is(found.skipped, expected.skipped, `${where}: skipped`);
  assert.is(found.updated, expected.updated, `${where}: updated`);
  assert.is(found.learningRate, expected.learningRate, `${where}: learningRate`);
  if (!expected.updated) return;
  assert.is(found.clipFactor, expected.clipFactor, `${where}: clipFactor`);
  if (isExact) assert.is(found.gradientNorm, expected.gradientNorm, `${where}: gradientNorm`);
  else assert.ok(isClose(found.gradientNorm, expected.gradientNorm), `${where}: gradientNorm`);
  // in float32 squares vanish below, and are infinite above
  const seen = expected.updateNorm > 1e-15 && expected.updateNorm < 1e18;
  if (seen) assert.ok(isClose(found.updateNorm, expected.updateNorm), `${where}: updateNorm`);
  assert.is(found.rowsTouched, expected.rowsTouched, `${where}: rowsTouched`);
}

for (const preset of presetNames) {
  test(`${preset}: SIMD, scalar and the reference agree as bits on random options, models and batches`, () => {
    fc.assert(
      fc.property(optionSetsOf(preset), (set) => {
        const model = layout(set.shapes);
        const reference = new Reference(model, set.options, set.initial);
        const optimizers = kernels.map((kernel) => make(set, model, kernel));
        for (const [i, batch] of set.batches.entries()) {
          const expected = reference.step(batch);
          const results = optimizers.map((optimizer) => optimizer.step(batch));
          const normsOf = ({ gradientNorm, updateNorm }: StepResult) => [gradientNorm, updateNorm];
          assert.equal(results.map(normsOf), [normsOf(results[0]), normsOf(results[0])]);
          for (const [k, optimizer] of optimizers.entries()) {
            sameResult(results[k], expected, normIsExact(set.options), `${kernels[k]} at ${i}`);
            sameSlots(optimizer, reference, model, `${kernels[k]} at ${i}`);
          }
        }
      }),
      runs,
    );
  });
}

test('a state restored at any step gives the same bits as never having stopped, whatever the options', () => {
  fc.assert(
    fc.property(optionSets, fc.nat(5), (set, cut) => {
      const model = layout(set.shapes);
      const [whole, first, second] = [0, 1, 2].map(() => make(set, model));
      for (const batch of set.batches) whole.step(batch);
      for (const batch of set.batches.slice(0, cut)) first.step(batch);
      second.restore(first.state());
      for (const batch of set.batches.slice(cut)) second.step(batch);
      sameState(second.state(), whole.state(), `cut at ${cut}`);
    }),
    runs,
  );
});

test('a configuration that went through JSON gives an optimizer that folds to the same bits', () => {
  fc.assert(
    fc.property(optionSets, (set) => {
      const model = layout(set.shapes);
      const original = make(set, model);
      const config = JSON.parse(JSON.stringify(original.getConfig()));
      const again = RMSprop.fromConfig(config, model);
      assert.equal(again.getConfig(), original.getConfig());
      again.restore(original.state());
      for (const batch of set.batches) for (const optimizer of [original, again]) optimizer.step(batch);
      sameState(again.state(), original.state(), 'from the configuration');
    }),
    runs,
  );
});

test('a batch that is refused at any step changes no bit of the state', () => {
  const cases = optionSets.chain((set) => {
    const dynamic = set.options.lossScale === 'dynamic' || typeof set.options.lossScale === 'object';
    const wrong = dynamic ? [1.5e15, -1.5e15] : [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.5e15, -1.5e15];
    const usual = batchesOf(set.shapes, { ...set.options, lossScale: 1 }).map(([batch]) => batch);
    return fc.tuple(fc.constant(set), spoiled(usual, wrong), fc.nat(5));
  });
  fc.assert(
    fc.property(cases, ([set, bad, at]) => {
      const model = layout(set.shapes);
      const [interrupted, whole] = [0, 1].map(() => make(set, model));
      for (const [i, batch] of set.batches.entries()) {
        if (i === at) refuses(interrupted, bad);
        for (const optimizer of [interrupted, whole]) optimizer.step(batch);
      }
      sameState(interrupted.state(), whole.state(), 'after a refused batch');
    }),
    runs,
  );
});

function refuses(optimizer: RMSprop, bad: GradientRecord): void {
  const before = optimizer.state();
  assert.throws(() => optimizer.step(bad), /E_NONFINITE|E_RANGE/);
  sameState(optimizer.state(), before, 'at a refused batch');
}

test('rows are refused where gradients are summed over batches, and where momentum would have to be paid exactly', () => {
  const rows = { table: { rows: Int32Array.of(1), values: Float32Array.of(1, 2) } };
  for (const options of [
    { gradientAccumulationSteps: 2 },
    { preset: 'torch', momentum: 0.9 },
    { preset: 'keras3', momentum: 0.5, sparse: 'exact' },
  ] as const) {
    const optimizer = new RMSprop(layout({ table: [3, 2] }), options);
    const before = optimizer.state();
    refused('E_ROWS', () => optimizer.step(rows));
    sameState(optimizer.state(), before, 'at refused rows');
  }
});

test('with a dynamic loss scale a batch with a value that is not finite is skipped, whatever else stands in it', () => {
  const model = layout({ a: [2], b: [2] });
  const one = Float32Array.of(1, 1);
  const [nan, large] = [Number.NaN, 2e9].map((value) => Float32Array.of(1, value));
  const twice = { rows: Int32Array.of(0, 0), values: nan };
  for (const batch of [{ a: nan, b: one }, { a: nan, b: large }, { a: large, b: nan }, { a: twice }, { a: one, b: twice }]) {
    const optimizer = new RMSprop(model, { lossScale: 'dynamic' });
    const before = optimizer.state();
    const { skipped, updated } = optimizer.step(batch);
    assert.equal([skipped, updated, optimizer.version, optimizer.skipped, optimizer.lossScale], [true, false, 1, 1, 2 ** 14]);
    sameBits(optimizer.state().parameters, before.parameters);
    sameBits(optimizer.state().accumulator, before.accumulator);
  }
});

test.run();
