// Constraints from outside: checked, with their defaults filled in, frozen.
import { layoutLimits } from '../../layout.ts';
import { wrong } from '../options/demand.ts';
import { type Fields, type Kind, readKind } from '../options/plain.ts';

/** A rule that a tensor's values are brought back to after every step: Keras' weight constraints as plain data. Axes count from the end where negative. */
export type Constraint =
  /** Norms over `axis` (0) are at most `maxValue` (2): Keras' `MaxNorm`. */
  | { readonly type: 'maxNorm'; readonly maxValue?: number; readonly axis?: number | readonly number[] }
  /** No value is below 0: Keras' `NonNeg`. */
  | { readonly type: 'nonNeg' }
  /** Norms over `axis` (0) are 1: Keras' `UnitNorm`. */
  | { readonly type: 'unitNorm'; readonly axis?: number | readonly number[] }
  /** Norms over `axis` (0) move by `rate` (1) of the way into `minValue` (0) to `maxValue` (1): Keras' `MinMaxNorm`. */
  | {
      readonly type: 'minMaxNorm';
      readonly minValue?: number;
      readonly maxValue?: number;
      readonly rate?: number;
      readonly axis?: number | readonly number[];
    };

type Type = Constraint['type'];

/** The constraint of that type, with its defaults filled in. */
export type Complete<T extends Type> = Required<Extract<Constraint, { type: T }>>;

const kinds: Readonly<Record<Type, Kind>> = {
  maxNorm: { className: 'MaxNorm', fields: ['maxValue', 'axis'] },
  nonNeg: { className: 'NonNeg', fields: [] },
  unitNorm: { className: 'UnitNorm', fields: ['axis'] },
  minMaxNorm: { className: 'MinMaxNorm', fields: ['minValue', 'maxValue', 'rate', 'axis'] },
};

const norm = { from: 0, to: 1e15 } as const;

const readers: { readonly [T in Type]: (fields: Fields) => Complete<T> } = {
  maxNorm: (fields) => ({
    type: 'maxNorm',
    maxValue: fields.number('maxValue', { ...norm, otherwise: 2 }),
    axis: readAxis(fields),
  }),
  nonNeg: () => ({ type: 'nonNeg' }),
  unitNorm: (fields) => ({ type: 'unitNorm', axis: readAxis(fields) }),
  minMaxNorm: (fields) => {
    const minValue = fields.number('minValue', { ...norm, otherwise: 0 });
    const maxValue = fields.number('maxValue', { ...norm, otherwise: 1 });
    if (minValue > maxValue) throw wrong(`${fields.what}.minValue`, minValue, `at most maxValue, ${maxValue}`);
    const rate = fields.number('rate', { from: 0, to: 1, otherwise: 1 });
    return { type: 'minMaxNorm', minValue, maxValue, rate, axis: readAxis(fields) };
  },
};

/**
 * The constraint that a value describes: `{ type: 'maxNorm', maxValue: 2, axis: 0 }`, the same in snake_case, or Keras' JSON
 * (`{ class_name: 'MaxNorm', config: { max_value, axis } }`). Comes back frozen, as a copy, with every default filled in.
 *
 * @throws GradwireError `E_CONFIG` that begins with `what`.
 */
export function constraintOf(what: string, value: unknown): Constraint {
  const { type, fields } = readKind(what, value, kinds);
  return Object.freeze(readers[type](fields));
}

function readAxis(fields: Fields): number | readonly number[] {
  if (!fields.given.has('axis')) return 0;
  const value = fields.given.get('axis');
  const axes: readonly unknown[] = Array.isArray(value) ? value : [value];
  const { rank } = layoutLimits;
  const fit = axes.every((each) => Number.isInteger(each) && Number(each) >= -rank && Number(each) < rank);
  if (fit && axes.length > 0 && new Set(axes).size === axes.length)
    return Array.isArray(value) ? Object.freeze([...(axes as number[])]) : (value as number);
  const found = Array.isArray(value) ? JSON.stringify(value).slice(0, 100) : value;
  throw wrong(
    `${fields.what}.axis`,
    found,
    `an integer from ${-rank} to ${rank - 1} or an array of different ones, each axis named`,
  );
}
