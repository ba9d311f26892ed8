// Parameter groups: tensors, by a pattern in their names, that have settings of their own.
import { GradwireError, refuseUnknownOptions } from '../../errors.ts';
import type { Layout } from '../../layout.ts';
import { type Constraint, constraintOf, refuseMisfit } from '../constraints/constraints.ts';
import { largestRate } from '../schedules/schedules.ts';
import { demand, demandBoolean, demandLimit, demandPattern, wrong } from './demand.ts';
import type { Group, Hyperparameters } from './hyperparameters.ts';
import type { PresetRules } from './presets.ts';

/** What holds for one tensor, all of it decided: tensors with the same `kind` may be one range for the kernel. */
export interface Part {
  readonly kind: number;
  readonly frozen: boolean;
  readonly lrMultiplier: number;
  readonly decay: number;
  readonly rho: number;
  readonly weightDecay: number;
  readonly clipnorm: number;
  readonly clipvalue: number;
  /** Tensors with the same number share the norm of a clipnorm that is the batch's: a group's own, or that of the rest (-1). */
  readonly normOf: number;
  readonly constraint: Constraint | undefined;
}

const settings = ['match', 'lrMultiplier', 'rho', 'constraint', 'frozen'];
const ifPresetHas = ['decay', 'weightDecay', 'clipnorm', 'clipvalue'];

/** Groups checked. Throws `E_CONFIG` that names the group and the setting. */
export function groupsOf(value: unknown, { lr, globalClipnorm }: Hyperparameters, { has }: PresetRules): readonly Group[] {
  if (!Array.isArray(value)) throw wrong('groups', value, 'a list of { match, … }');
  const groups = value.map((group: unknown, i) => groupOf(`groups[${i}]`, group, lr, has));
  for (const [i, group] of groups.entries()) {
    if (globalClipnorm > 0 && (group.clipnorm ?? 0) > 0)
      throw new GradwireError('E_CONFIG', `groups[${i}].clipnorm and globalClipnorm exclude each other; take one of them`);
  }
  return Object.freeze(groups);
}

function groupOf(name: string, value: unknown, lr: unknown, has: readonly string[]): Group {
  if (typeof value !== 'object' || value === null) throw wrong(name, value, 'an object { match, … }');
  refuseUnknownOptions(name, value, [...settings, ...ifPresetHas.filter((each) => has.includes(each))]);
  const group = Object.fromEntries(
    Object.entries(value).filter(([, each]) => each !== undefined && each !== null),
  ) as unknown as Group;
  demandPattern(`${name}.match`, group.match);
  const { lrMultiplier = 1, rho = 0, decay = 0, weightDecay = 0, clipnorm = 0, clipvalue = 0, frozen = false } = group;
  demand(`${name}.lrMultiplier`, lrMultiplier, (each) => each >= 0 && each <= 1e6, 'a number from 0 to 1e6');
  demand(`${name}.rho`, rho, (each) => each >= 0 && Math.fround(each) < 1, 'a number from 0 to below 1 in float32');
  demand(
    `${name}.decay`,
    decay,
    (each) => each >= 0 && (each === 0 || typeof lr === 'number'),
    'a number >= 0, beside an lr that is a number',
  );
  demand(`${name}.weightDecay`, weightDecay, (each) => each >= 0 && each <= 1e3, 'a number from 0 to 1,000');
  demandLimit(`${name}.clipnorm`, clipnorm);
  demandLimit(`${name}.clipvalue`, clipvalue);
  demandBoolean(`${name}.frozen`, frozen);
  const constraint = group.constraint === undefined ? {} : { constraint: constraintOf(`${name}.constraint`, group.constraint) };
  return Object.freeze({ ...group, ...constraint });
}

/** What holds for each tensor of the model, in layout order. Throws `E_CONFIG` where a constraint does not fit its tensor. */
export function partsOf(model: Layout, all: Hyperparameters): readonly Part[] {
  const kinds = new Map<string, number>();
  const patterns = all.groups.map(({ match }) => new RegExp(match, 'u'));
  const excluded = all.excludeFromWeightDecay.map((pattern) => new RegExp(pattern, 'u'));
  return model.tensors.map((tensor) => {
    const index = patterns.findIndex((pattern) => pattern.test(tensor.name));
    const group: Partial<Group> = all.groups[index] ?? {};
    const exempt = excluded.some((pattern) => pattern.test(tensor.name));
    const weightDecay = exempt ? 0 : (group.weightDecay ?? all.weightDecay);
    const constraint = index < 0 ? all.constraint : group.constraint;
    if (constraint !== undefined) refuseMisfit(constraint, tensor);
    const key = `${index} ${weightDecay} ${constraint === undefined ? '' : tensor.name}`;
    if (!kinds.has(key)) kinds.set(key, kinds.size);
    return {
      kind: kinds.get(key) as number,
      frozen: group.frozen ?? false,
      lrMultiplier: group.lrMultiplier ?? 1,
      decay: group.decay ?? all.decay,
      rho: Math.fround(group.rho ?? all.rho),
      weightDecay: Math.fround(weightDecay),
      clipnorm: Math.fround(group.clipnorm ?? all.clipnorm),
      clipvalue: Math.fround(group.clipvalue ?? all.clipvalue),
      normOf: group.clipnorm === undefined ? -1 : index,
      constraint,
    };
  });
}

/**
 * The largest learning rate that no parameter runs away with: after a group's multiplier it is at most 1e6, and where weight decay
 * is decoupled, λ · lr at most 2.
 */
export function mostRateOf(parts: readonly Part[], { weightDecay: kind }: PresetRules): number {
  const limits = parts
    .filter(({ frozen }) => !frozen)
    .map(({ lrMultiplier, weightDecay }) => {
      const decayed = kind === 'decoupled' && weightDecay > 0 ? 2 / weightDecay : largestRate;
      return Math.min(decayed, largestRate) / lrMultiplier;
    });
  return Math.min(largestRate, ...limits);
}
