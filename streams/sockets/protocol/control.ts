// Control messages, read with care: JSON text of a known type whose fields are checked one by one.
import { GradwireError, quote } from '../../../src/errors.ts';
import { isPrintable } from '../../../src/layout.ts';

/** A message's fields: an object without a prototype. */
export type Fields = Readonly<Record<string, unknown>>;

/** The fields of a control message. The caller has limited the text's length. Throws `E_PROTOCOL`. */
export function parseControl(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GradwireError('E_PROTOCOL', 'a control message must be JSON; this is not', { cause });
  }
  const fields = bare(value);
  if (fields !== undefined) return fields;
  throw new GradwireError('E_PROTOCOL', 'a control message must be a JSON object');
}

/** The object under `key`, undefined where it is missing or null. Throws `E_PROTOCOL`. */
export function nestedIn(fields: Fields, key: string): Fields | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  const nested = bare(value);
  if (nested !== undefined) return nested;
  throw wrong(key, value, 'an object');
}

/** The text under `key`, 1 to 256 printable characters, undefined where it is missing or null. Throws `E_PROTOCOL`. */
export function textIn(fields: Fields, key: string): string | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '' && value.length <= 256 && isPrintable(value)) return value;
  throw wrong(key, value, '1 to 256 printable characters');
}

/** The integer from 0 to 2^53 − 1 under `key`, undefined where it is missing or null. Throws `E_PROTOCOL`. */
export function countIn(fields: Fields, key: string): number | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw wrong(key, value, 'an integer 0..2^53-1');
}

/** One of `choices` under `key`, undefined where it is missing or null. Throws `E_PROTOCOL`. */
export function choiceIn<Choice extends string>(fields: Fields, key: string, choices: readonly Choice[]): Choice | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined || choices.includes(value as Choice)) return value as Choice | undefined;
  throw wrong(key, value, choices.map(quote).join(' or '));
}

/** The array under `key`, each of whose values `fits`; undefined where it is missing or null. Throws `E_PROTOCOL`. */
export function listIn(fields: Fields, key: string, fits: (value: unknown) => boolean): readonly unknown[] | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined || (Array.isArray(value) && value.every(fits))) return value;
  throw wrong(key, value, 'an array of the values that belong there');
}

/** The names under `key`, 1 to 10,000 of 1 to 256 printable characters, undefined where they are missing or null. Throws `E_PROTOCOL`. */
export function namesIn(fields: Fields, key: string): readonly string[] | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0) throw wrong(key, value, 'a list of names');
  return value.map((_, i) => demand(textIn(value as unknown as Fields, String(i)), `${key}[${i}]`));
}

/** What was found, or `E_PROTOCOL` where a field that must be there is not. */
export function demand<T>(value: T | undefined, key: string): T {
  if (value !== undefined) return value;
  throw new GradwireError('E_PROTOCOL', `the message needs ${quote(key)}`);
}

/** A copy without a prototype, so that no key means anything but itself; undefined where the value is no object. */
function bare(value: unknown): Fields | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.assign(Object.create(null), value);
}

function wrong(key: string, value: unknown, expected: string): GradwireError {
  const found = typeof value === 'string' ? quote(value) : typeof value === 'number' ? String(value) : `of type ${typeof value}`;
  return new GradwireError('E_PROTOCOL', `${quote(key)} is ${found}, must be ${expected}`);
}
