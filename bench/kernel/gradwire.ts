// gradwire's own contenders: scalar and SIMD, gradients in place and copied, one thread and two.
import { setTimeout as delay } from 'node:timers/promises';
import { layout, RMSprop, type RMSpropOptions } from '../../src/index.ts';
import { type StartedThreads, startThreads } from '../../streams/threads/index.ts';
import { gradientOf } from './gradients.ts';
import { type Contender, type Running, timed } from './rounds.ts';

/** Who takes the gradient from where: the caller wrote it into the optimizer's memory, or the step copies it there. */
export type Way = 'in place' | 'copied';

/** Keras 2's defaults: what every contender of the first table computes. */
export const plain = { lr: 0.001, rho: 0.9, epsilon: 1e-8 } as const;

/** An optimizer of one tensor `w`. */
export function optimizerOf(size: number, options: RMSpropOptions<'w'>): RMSprop<'w'> {
  return new RMSprop(layout({ w: [size] }), options);
}

/** Steps of that optimizer. In place the gradient is already there: the caller's writing is not timed. */
export function stepping(optimizer: RMSprop<'w'>, way: Way, close?: () => void): Running {
  const gradient = gradientOf(optimizer.layout.length);
  if (way === 'copied') return timed(() => optimizer.step({ w: gradient }), close);
  optimizer.gradients.get('w').set(gradient);
  return timed(() => optimizer.step(), close);
}

interface Shared {
  readonly optimizer: RMSprop<'w'>;
  readonly threads: StartedThreads;
}

// helpers start in a moment; a step before that is right, but slow
const startMs = 200;

async function sharedOf(size: number, options: RMSpropOptions<'w'>, count: 1 | 2): Promise<Shared> {
  const threads = startThreads(count);
  const optimizer = optimizerOf(size, count === 1 ? options : { ...options, threads });
  if (count > 1) await delay(startMs);
  return { optimizer, threads };
}

/** An optimizer with `options` in each of the ways to hand over a gradient, which share it and its threads. */
export function waysOf(
  what: string,
  options: RMSpropOptions<'w'>,
  threads: 1 | 2,
  ways: readonly Way[] = ['in place', 'copied'],
): Contender[] {
  let shared: Shared | undefined;
  const close = () => {
    shared?.threads.close();
    shared = undefined;
  };
  return ways.map((way) => ({
    what: `${what}, ${way}, ${named(threads)}`,
    open: async (size) => stepping((shared ??= await sharedOf(size, options, threads)).optimizer, way, close),
  }));
}

/** "1 thread", "2 threads". */
export function named(threads: number): string {
  return threads === 1 ? '1 thread' : `${threads} threads`;
}
