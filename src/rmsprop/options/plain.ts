// Plain data from outside that says what it is: `{ type: 'maxNorm', maxValue: 2 }`, the same in snake_case, or Keras' JSON.
import { GradwireError, refuseUnknownOptions } from '../../errors.ts';
import { wrong } from './demand.ts';

/** What one `type` of plain data is called in Keras (where Keras has it), and the names of its fields. */
export interface Kind {
  readonly className?: string;
  readonly fields: readonly string[];
}

/** The range that a number must lie in, ends included, and the number to take where none is given. */
export interface NumberRange {
  readonly from: number;
  readonly to: number;
  readonly otherwise?: number;
}

/** The fields that somebody gave, by their camelCase names. Reading one checks it; errors name it as in `lr.decaySteps`. */
export class Fields {
  readonly what: string;
  readonly given: ReadonlyMap<string, unknown>;

  constructor(what: string, given: ReadonlyMap<string, unknown>) {
    this.what = what;
    this.given = given;
  }

  /** A finite number of that range. Throws `E_CONFIG`. */
  number(name: string, { from, to, otherwise }: NumberRange): number {
    const value = this.given.get(name) ?? (this.given.has(name) ? null : otherwise);
    if (!isBetween(value, from, to)) throw wrong(`${this.what}.${name}`, value, `a number from ${short(from)} to ${short(to)}`);
    return value;
  }

  /** True or false; false where nothing was given. Throws `E_CONFIG`. */
  flag(name: string): boolean {
    const value = this.given.has(name) ? this.given.get(name) : false;
    if (typeof value !== 'boolean') throw wrong(`${this.what}.${name}`, value, 'true or false');
    return value;
  }

  /** An array of `atLeast` to 10,000 items of any kind. Throws `E_CONFIG`. */
  list(name: string, { atLeast }: { readonly atLeast: number }): readonly unknown[] {
    const value = this.given.get(name);
    if (!Array.isArray(value) || value.length < atLeast || value.length > longestList)
      throw wrong(`${this.what}.${name}`, value, `an array of ${atLeast} to ${longestList} items`);
    return value;
  }
}

const longestList = 10_000;

/**
 * Which of the `kinds` a value is, and its fields, unchecked but for their names.
 * It says so by its `type`, or is Keras' JSON: `{ class_name, config, module?, registered_name? }`; `config.name` is left out.
 *
 * @throws GradwireError `E_CONFIG` for anything else, for an unknown field, and for one given in both spellings.
 */
export function readKind<Type extends string>(
  what: string,
  value: unknown,
  kinds: Readonly<Record<Type, Kind>>,
): { readonly type: Type; readonly fields: Fields } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(what, value, 'an object with a type');
  return Object.hasOwn(value, 'class_name') ? readKeras(what, value, kinds) : readOurs(what, value, kinds);
}

function readOurs<Type extends string>(what: string, value: object, kinds: Readonly<Record<Type, Kind>>) {
  const { type, ...rest } = value as { type?: unknown };
  const types = Object.keys(kinds) as Type[];
  const found = types.find((each) => each === type);
  if (found === undefined) throw wrong(`${what}.type`, type, `one of ${types.join(', ')}`);
  return { type: found, fields: fieldsOf(what, rest, kinds[found].fields) };
}

function readKeras<Type extends string>(what: string, value: object, kinds: Readonly<Record<Type, Kind>>) {
  refuseUnknownOptions(what, value, ['class_name', 'config', 'module', 'registered_name']);
  const { class_name, config = {}, registered_name = null } = value as Record<string, unknown>;
  const types = Object.keys(kinds) as Type[];
  const found = types.find((each) => kinds[each].className !== undefined && kinds[each].className === class_name);
  const classes = types.flatMap((each) => kinds[each].className ?? []);
  if (found === undefined) throw wrong(`${what}.class_name`, class_name, `one of ${classes.join(', ')}`);
  if (registered_name !== null && registered_name !== class_name)
    throw wrong(`${what}.registered_name`, registered_name, "null, as a class of Keras' own has it");
  if (typeof config !== 'object' || config === null || Array.isArray(config)) throw wrong(`${what}.config`, config, 'an object');
  const { name: _, ...rest } = config as { name?: unknown };
  return { type: found, fields: fieldsOf(what, rest, kinds[found].fields) };
}

function fieldsOf(what: string, value: object, known: readonly string[]): Fields {
  const camel = new Map(known.map((name) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), name]));
  const given = new Map<string, unknown>();
  for (const [key, each] of Object.entries(value)) {
    const name = camel.get(key) ?? key;
    if (given.has(name)) throw new GradwireError('E_CONFIG', `${what}.${name} is given twice, as ${name} and in snake_case`);
    // an undefined value is one that was not given
    if (each !== undefined || !known.includes(name)) given.set(name, each);
  }
  // entries, not assignments: a key `__proto__` is a key like any other
  refuseUnknownOptions(what, Object.fromEntries(given), known);
  return new Fields(what, given);
}

/** Whether a value is a number from `from` to `to`. */
export function isBetween(value: unknown, from: number, to: number): value is number {
  return typeof value === 'number' && value >= from && value <= to;
}

function short(value: number): string {
  return value >= 1e6 ? value.toExponential().replace('+', '') : String(value);
}
