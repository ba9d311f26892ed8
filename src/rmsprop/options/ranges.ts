// The ranges of numeric options, and options that exclude each other.
import { GradwireError, refuseUnknownOptions } from '../../errors.ts';
import { demand, demandBoolean, demandLimit, demandPatterns, wrong } from './demand.ts';
import type { DynamicLossScale, Hyperparameters } from './hyperparameters.ts';

/** Throws `E_CONFIG` for a number, switch or pattern that cannot be meant. */
export function refuseNumbers(all: Hyperparameters): void {
  demand('rho', all.rho, (rho) => rho >= 0 && Math.fround(rho) < 1, 'a number from 0 to below 1 in float32');
  demand('epsilon', all.epsilon, (epsilon) => epsilon >= 1e-30 && epsilon <= 1e6, 'a number from 1e-30 to 1e6');
  demand('decay', all.decay, (decay) => decay >= 0, 'a finite number >= 0');
  demand('maxAbs', all.maxAbs, (most) => most > 0 && most <= 1e15, 'a number > 0, at most 1e15');
  demand(
    'momentum',
    all.momentum,
    (momentum) => momentum >= 0 && Math.fround(momentum) < 1,
    'a number from 0 to below 1 in float32',
  );
  demand('weightDecay', all.weightDecay, (decay) => decay >= 0 && decay <= 1e3, 'a number from 0 to 1,000');
  demand('initialScale', all.initialScale, (scale) => scale >= 0 && scale <= 1e15, 'a number from 0 to 1e15');
  demand('emaMomentum', all.emaMomentum, (beta) => beta >= 0 && Math.fround(beta) < 1, 'a number from 0 to below 1 in float32');
  for (const name of ['clipnorm', 'clipvalue', 'globalClipnorm'] as const) demandLimit(name, all[name]);
  for (const [name, least] of [
    ['gradientAccumulationSteps', 1],
    ['emaOverwriteFrequency', 0],
  ] as const) {
    demand(
      name,
      all[name],
      (count) => Number.isInteger(count) && count >= least && count <= 2 ** 24,
      `an integer from ${least} to 2^24`,
    );
  }
  for (const name of ['nesterov', 'centered', 'epsInSqrt', 'useEma'] as const) demandBoolean(name, all[name]);
  demandPatterns('excludeFromWeightDecay', all.excludeFromWeightDecay);
  if (all.sparse !== 'exact' && all.sparse !== 'lazy') throw wrong('sparse', all.sparse, '"exact" or "lazy"');
}

/** Throws `E_CONFIG` for options that exclude each other. */
export function refuseCombinations(all: Hyperparameters): void {
  const clips = (['clipnorm', 'clipvalue', 'globalClipnorm'] as const).filter((name) => all[name] > 0);
  if (all.preset === 'keras3' && clips.length > 1)
    throw new GradwireError('E_CONFIG', `preset keras3 takes one of ${clips.join(' and ')}`);
  if (all.clipnorm > 0 && all.globalClipnorm > 0)
    throw new GradwireError('E_CONFIG', 'clipnorm and globalClipnorm exclude each other; take one of them');
  if (all.decay > 0 && typeof all.lr !== 'number')
    throw new GradwireError('E_CONFIG', 'decay is for an lr that is a number; a schedule decays by itself');
  if (all.nesterov && all.momentum === 0) throw new GradwireError('E_CONFIG', 'nesterov needs a momentum > 0');
  if (all.emaOverwriteFrequency > 0 && !all.useEma)
    throw new GradwireError('E_CONFIG', 'emaOverwriteFrequency needs useEma: true');
}

/** A loss scale checked, its settings filled in. Throws `E_CONFIG`. */
export function lossScaleOf(value: unknown, maxAbs: number): number | DynamicLossScale {
  if (typeof value === 'number') {
    demand('lossScale', value, (scale) => scale >= 1e-30 && scale <= 1e30, 'a number from 1e-30 to 1e30, or "dynamic"');
    if (maxAbs / value > 1e15)
      throw new GradwireError(
        'E_CONFIG',
        `maxAbs / lossScale must be at most 1e15, or squares overflow; got ${maxAbs} / ${value}`,
      );
    return value;
  }
  const settings = value === 'dynamic' ? {} : value;
  if (typeof settings !== 'object' || settings === null)
    throw wrong('lossScale', value, 'a number, "dynamic" or { initial, growthSteps }');
  refuseUnknownOptions('lossScale', settings, ['initial', 'growthSteps']);
  const { initial = 2 ** 15, growthSteps = 2000 } = settings as Partial<DynamicLossScale>;
  demand('lossScale.initial', initial, (scale) => scale >= 1 && scale <= 2 ** 126, 'a number from 1 to 2^126');
  demand('lossScale.growthSteps', growthSteps, (count) => Number.isSafeInteger(count) && count >= 1, 'an integer from 1');
  return Object.freeze({ initial, growthSteps });
}
