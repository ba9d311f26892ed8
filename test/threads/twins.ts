// An optimizer with threads and its twin without: the same steps of both, and that no bit differs.
import { layout } from '../../src/layout.ts';
import type { Threads } from '../../src/rmsprop/kernel/threads.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { chance } from '../support/random.ts';
import { sameState } from '../support/states.ts';
import { type Watched, watched } from '../support/threads.ts';

/** A model that is large enough for helpers to work. */
export const model = layout({ kernel: [300, 701], bias: [701] });

// magnitudes are bounded, so that whatever number of steps stays finite
function fill(values: Float32Array, seed: number): void {
  const random = chance(seed);
  for (let i = 0; i < values.length; i++) values[i] = random() - 0.5;
}

/** An optimizer with everything that passes over a range, and how it is watched. */
export function make(threads?: Threads): Watched<RMSprop<'kernel' | 'bias'>> {
  const options = { preset: 'torch', momentum: 0.9, centered: true, globalClipnorm: 1, weightDecay: 0.1, useEma: true } as const;
  return watched(() => new RMSprop(model, { ...options, threads }));
}

/** The same steps of an optimizer and of its twin without threads, and that they give the same bits. */
export function sameSteps(optimizer: RMSprop, twin: RMSprop, count: number): void {
  for (let i = 0; i < count; i++) {
    for (const each of [optimizer, twin]) fill(each.gradients.flat, each.version);
    sameState({ ...optimizer.step(), touched: 0 }, { ...twin.step(), touched: 0 }, `step ${i}`);
  }
  sameState(optimizer.state(), twin.state(), `after ${count} steps`);
}
