// Threads change no bit: every preset and option over models that are large enough for helpers to work.
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { GradientRecord, Rows } from '../../src/gradients/batch.ts';
import { layout } from '../../src/layout.ts';
import type { RMSpropOptions } from '../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop, type StepResult } from '../../src/rmsprop/rmsprop.ts';
import type { RMSpropState } from '../../src/rmsprop/state/state.ts';
import { type StartedThreads, startThreads } from '../../streams/threads/index.ts';
import { type OptionSet, optionSetsOver, presetNames } from '../support/options.ts';
import { chance } from '../support/random.ts';
import { refused } from '../support/refused.ts';
import { sameState } from '../support/states.ts';
import { helped, watched } from '../support/threads.ts';

const runs = {
  includeErrorInReport: true,
  // a model has half a million floats, which nobody wants printed
  endOnFailure: true,
  numRuns: Number(process.env.GRADWIRE_RUNS ?? 4),
  seed: Number(process.env.GRADWIRE_SEED ?? Math.floor(Math.random() * 2 ** 31)),
};

// helpers work from 131,072 floats on; ranges end within blocks, vectors and what a thread takes at a time
const models = fc.constantFrom<OptionSet['shapes']>(
  { 'dense/kernel': [131_072] },
  { 'dense/kernel': [363, 401], 'dense/bias': [401], 'norm/scale': [] },
  { 'dense/bias': [3], 'embedding/table': [15_001, 13], 'norm/scale': [65_537] },
  { 'embedding/table': [5, 41_003], 'dense/kernel': [60_001], 'dense/bias': [70_003] },
  { 'norm/scale': [1], 'dense/kernel': [2, 65_537], 'dense/bias': [131_075] },
);

/** What happens to the optimizer with threads between two of its steps. */
type Event = 'nothing' | 'release' | 'close' | 'restore' | 'refused batch';

const events = fc.constantFrom<Event>('nothing', 'release', 'close', 'restore', 'refused batch');

interface Case {
  readonly set: OptionSet;
  readonly count: number;
  /** Whether values that the batches hold for whole tensors are written where the optimizer takes them from. */
  readonly inPlace: boolean;
  readonly event: Event;
  readonly at: number;
  readonly pauses: number;
}

function casesOf(preset: (typeof presetNames)[number]): fc.Arbitrary<Case> {
  const sets = optionSetsOver(preset, models).map((set) => ({ ...set, batches: set.batches.slice(0, 4) }));
  return sets
    .chain((set) =>
      fc.record({
        set: fc.constant(set),
        count: fc.constantFrom(2, 3, 5),
        inPlace: fc.boolean(),
        event: events,
        at: fc.nat(set.batches.length - 1),
        pauses: fc.nat(),
      }),
    )
    .map((each) => ({ ...each, [fc.toStringMethod]: () => told(each) }));
}

function told({ set, ...others }: Case): string {
  return JSON.stringify({ options: set.options, shapes: set.shapes, ...others });
}

const idle = new Int32Array(new SharedArrayBuffer(4));

/** Lets helpers overtake the calling thread here and there. */
function pausing(seed: number): () => void {
  const random = chance(seed);
  return () => {
    if (random() < 0.1) Atomics.wait(idle, 0, 0, random());
  };
}

function make({ options, shapes, initial }: OptionSet, more: RMSpropOptions): RMSprop {
  return new RMSprop(layout(shapes), { ...options, initial, ...more } as RMSpropOptions);
}

/** The same batch with the values of whole tensors standing in the optimizer's own gradients. */
function placed({ gradients }: RMSprop, batch: GradientRecord): GradientRecord {
  const place = (name: string, values: Float32Array): Float32Array => {
    const view = gradients.get(name);
    view.set(values);
    return view;
  };
  const entries = Object.entries(batch as Record<string, Float32Array | Rows>);
  return Object.fromEntries(entries.map(([name, each]) => [name, each instanceof Float32Array ? place(name, each) : each]));
}

/** A batch of all tensors, in place, in which one value anywhere is too large. */
function tooLarge({ layout: model, gradients }: RMSprop, at: number): GradientRecord {
  gradients.flat.fill(1);
  gradients.flat[at % model.length] = -1.5e15;
  return Object.fromEntries([...gradients]);
}

function sameResult({ touched: found, ...actual }: StepResult, { touched, ...expected }: StepResult, where: string): void {
  sameState(actual, expected, where);
  assert.equal(
    found.map(({ tensor }) => tensor.name),
    touched.map(({ tensor }) => tensor.name),
    where,
  );
}

function finite(state: RMSpropState): boolean {
  return Object.values(state).every((slot) => !(slot instanceof Float32Array) || slot.every(Number.isFinite));
}

/** Lets the event happen, which changes nothing. */
function happen({ event, pauses }: Case, optimizer: RMSprop, threads: StartedThreads): void {
  const before = optimizer.state();
  if (event === 'release') optimizer.release();
  if (event === 'close') for (let times = 0; times < 2; times++) threads.close();
  if (event === 'restore') optimizer.restore(before);
  if (event === 'refused batch') refused('E_RANGE', () => optimizer.step(tooLarge(optimizer, pauses)));
  sameState(optimizer.state(), before, event);
}

/** Folds the case with one thread by both kernels and with threads; the floats that helpers passed over. */
async function fold(each: Case): Promise<number> {
  const { set, count, inPlace, at, pauses } = each;
  const threads = startThreads(count);
  const scalar = make(set, { kernel: 'scalar' });
  const simd = watched(() => make(set, {}));
  const threaded = watched(() => make(set, { threads }), pausing(pauses));
  let helpedWith = 0;
  try {
    await helped(threaded);
    for (const [i, batch] of set.batches.entries()) {
      if (i === at) happen(each, threaded.made, threads);
      const floats = threaded.floats() - simd.floats();
      const expected = scalar.step(batch);
      const state = scalar.state();
      if (!finite(state)) break;
      sameResult(simd.made.step(batch), expected, `SIMD at ${i}`);
      sameResult(threaded.made.step(inPlace ? placed(threaded.made, batch) : batch), expected, `threads at ${i}`);
      sameState(simd.made.state(), state, `SIMD at ${i}`);
      sameState(threaded.made.state(), state, `threads at ${i}`);
      assert.is(threaded.made.digest(), scalar.digest(), `threads at ${i}`);
      helpedWith += floats - (threaded.floats() - simd.floats());
    }
    return helpedWith;
  } finally {
    threads.close();
  }
}

let floats = 0;

for (const preset of presetNames) {
  test(`${preset}: two, three and five threads give the bits of one, by both kernels, for random options and large models`, async () => {
    await fc.assert(
      fc.asyncProperty(casesOf(preset), async (each) => {
        floats += await fold(each);
      }),
      runs,
    );
  });
}

test('helpers passed over a good part of all that', () => {
  assert.ok(floats > 1e6, `they passed over ${floats} floats alone`);
});

test.run();
