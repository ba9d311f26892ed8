// What an optimizer is made of: memory, kernel, threads, debts and the fold over them, for one model and its options.
import { GradwireError, quote } from '../errors.ts';
import { finite } from '../floats.ts';
import type { Layout } from '../layout.ts';
import { known } from '../tensors.ts';
import { Fold } from './fold/fold.ts';
import { type Arena, makeArena } from './kernel/arena.ts';
import { formulas } from './kernel/control.ts';
import { scalarKernel, simdKernel } from './kernel/kernel.ts';
import { Crew } from './kernel/threads.ts';
import { mostRateOf, partsOf } from './options/groups.ts';
import type { Hyperparameters, RMSpropOptions } from './options/hyperparameters.ts';
import { hyperparametersOf } from './options/options.ts';
import { presets } from './options/presets.ts';
import { checkedRate } from './schedules/schedules.ts';
import { Debts } from './state/debts.ts';

/** The parts of one optimizer. */
export interface Engine {
  readonly all: Hyperparameters;
  readonly arena: Arena;
  readonly debts: Debts;
  readonly fold: Fold;
  readonly crew: Crew | undefined;
  /** The largest learning rate that these options allow. */
  readonly mostRate: number;
}

/** Builds them, with the initial parameters in place. See the constructor of `RMSprop` for the errors. */
export function makeEngine<Name extends string>(model: Layout<Name>, options: RMSpropOptions<Name>): Engine {
  const all = hyperparametersOf(options);
  const { kernel: kernelName = 'simd', threads, initial } = options;
  const parts = partsOf(model, all);
  const mostRate = mostRateOf(parts, presets[all.preset]);
  // a schedule is held to it at every step
  if (typeof all.lr === 'number') checkedRate(all.lr, 0, mostRate);
  const arena = makeArena(model, { ...slotsFor(all), shared: threads !== undefined });
  arena.accumulator.fill(all.initialScale);
  for (const [name, values] of entriesOf(initial)) initialize(model, arena, name, values);
  arena.average.set(arena.parameters.subarray(0, arena.average.length));
  const rhos = new Map(model.tensors.map(({ name }, i) => [name as string, parts[i].rho]));
  const debts = new Debts(({ name }) => rhos.get(name) as number);
  const crew = threads === undefined ? undefined : new Crew(arena.memory, threads);
  const formula = formulaOf(all);
  const kernel = kernelName === 'scalar' ? scalarKernel(arena, formula) : simdKernel(arena, formula, crew);
  return { all, arena, debts, crew, mostRate, fold: new Fold(model, all, { arena, kernel, debts, parts }) };
}

function initialize(model: Layout, arena: Arena, name: string, values: unknown): void {
  const { offset, length, shape } = known(model, name);
  if (!(values instanceof Float32Array)) throw new GradwireError('E_DTYPE', `the initial ${quote(name)} must be a Float32Array`);
  if (values.length !== length) {
    const text = `the initial ${quote(name)} has ${values.length} values, the model's [${shape}] takes ${length}`;
    throw new GradwireError('E_SHAPE', text);
  }
  if (!finite(values)) throw new GradwireError('E_NONFINITE', `the initial ${quote(name)} has values that are not finite`);
  arena.parameters.set(values, offset);
}

function entriesOf(initial: unknown): [string, unknown][] {
  if (initial === undefined || initial === null) return [];
  if (typeof initial !== 'object') throw new GradwireError('E_CONFIG', 'initial is an object or a Map of parameters by name');
  return initial instanceof Map ? [...initial] : Object.entries(initial);
}

function slotsFor({ preset, momentum, centered, useEma, gradientAccumulationSteps }: Hyperparameters) {
  const buffered = momentum > 0 || presets[preset].keepsMomentum;
  return { centered, momentum: buffered, average: useEma, gradientSum: gradientAccumulationSteps > 1 };
}

function formulaOf(all: Hyperparameters): number {
  const { inside, momentum, keepsMomentum } = presets[all.preset];
  const buffer = momentum === 'outside' ? formulas.raw : all.nesterov ? formulas.nesterov : formulas.scaled;
  return (
    (inside && all.epsInSqrt ? formulas.inside : 0) |
    (all.centered ? formulas.centered : 0) |
    (all.momentum > 0 || keepsMomentum ? buffer : 0)
  );
}
