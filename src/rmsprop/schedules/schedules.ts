// The learning rate as a function of the number of batches already folded: a number, a schedule of plain data, or a function.
import { GradwireError, quote } from '../../errors.ts';
import { wrong } from '../options/demand.ts';
import { isBetween } from '../options/plain.ts';
import { scheduleAt } from './formulas.ts';
import { readSchedule } from './read.ts';
import type { Schedule } from './schedule.ts';

export type { Schedule } from './schedule.ts';

/** What `lr` may be. A function gets the step t, from 0; it is as equal between engines as what it computes, and cannot be serialized. */
export type LearningRate = number | Schedule | ((t: number) => number);

/** The largest learning rate. */
export const largestRate = 1e6;

/**
 * The learning rate that a user gave: a number > 0 (in float32) and at most 1e6, a {@link Schedule} in camelCase or snake_case,
 * Keras' JSON of one (`{ class_name: 'ExponentialDecay', config: { … } }`), or a function. Schedules come back frozen, as a copy,
 * with every default filled in.
 *
 * @throws GradwireError `E_CONFIG` that names the field, as in `lr.decaySteps must be …; got …`.
 */
export function learningRateOf(value: unknown): LearningRate {
  if (typeof value === 'function') return value as (t: number) => number;
  if (typeof value === 'object' && value !== null) return readSchedule('lr', value);
  if (!isBetween(value, 0, largestRate) || Math.fround(value) === 0)
    throw wrong('lr', value, 'a number > 0, at most 1e6, a schedule, or a function of the step');
  return value;
}

/** The learning rate of step t in float64, not rounded. `rate` comes from {@link learningRateOf}. */
export function rateAt(rate: LearningRate, t: number): number {
  if (typeof rate === 'number') return rate;
  return typeof rate === 'function' ? rate(t) : scheduleAt(rate, t);
}

/**
 * The learning rate of step t in float64; it may be 0. `rate` comes from {@link learningRateOf}, `most` is what the other options allow.
 *
 * @throws GradwireError `E_CONFIG` that names t where the rate is no number from 0 to `most`.
 */
export function checkedRate(rate: LearningRate, t: number, most: number = largestRate): number {
  const value: unknown = rateAt(rate, t);
  if (isBetween(value, 0, most)) return value;
  const why = "since lr times a group's lrMultiplier is at most 1e6, and weightDecay times lr at most 2";
  const expected = most < largestRate ? `a number from 0 to ${most}, ${why}` : 'a number from 0 to 1e6';
  throw wrong(`the learning rate of step ${t}`, value, expected);
}

/** Keras 2's inverse time decay of a rate, in float64. */
export function decayedRate(rate: number, decay: number, t: number): number {
  return decay > 0 ? (rate * 1) / (1 + decay * t) : rate;
}

/**
 * The learning rate as plain data that JSON keeps and {@link learningRateOf} reads back: a number, or the completed schedule.
 *
 * @throws GradwireError `E_CONFIG` for a function.
 */
export function configOfRate(rate: LearningRate): number | Schedule {
  if (typeof rate !== 'function') return rate;
  const name = rate.name === '' ? 'without a name' : quote(rate.name);
  throw new GradwireError('E_CONFIG', `lr is a function (${name}), which cannot be serialized; give a number or a schedule`);
}
