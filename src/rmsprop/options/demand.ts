// What options must be, said in one form: the name, what it may be, and what was found.
import { GradwireError, quote } from '../../errors.ts';

/** Throws `E_CONFIG` unless `value` is a number, finite in float32, for which `holds`. */
export function demand(name: string, value: unknown, holds: (value: number) => boolean, expected: string): void {
  if (typeof value !== 'number' || !Number.isFinite(Math.fround(value)) || !holds(value)) throw wrong(name, value, expected);
}

/** Throws `E_CONFIG` unless `value` is a boolean. */
export function demandBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw wrong(name, value, 'true or false');
}

/** Throws `E_CONFIG` unless `value` is a list of texts that are regular expressions. */
export function demandPatterns(name: string, value: unknown): void {
  if (!Array.isArray(value)) throw wrong(name, value, 'a list of regular expressions, as texts');
  for (const each of value) demandPattern(name, each);
}

/** Throws `E_CONFIG` unless `value` is a text that is a regular expression. */
export function demandPattern(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') throw wrong(name, value, 'a regular expression, as a text');
  try {
    new RegExp(value, 'u');
  } catch (cause) {
    throw new GradwireError('E_CONFIG', `${name} must be a regular expression; ${quote(value)} is none`, { cause });
  }
}

/** A limit that clips: 0, or what is neither lost nor infinite in float32. */
export function demandLimit(name: string, value: unknown): void {
  demand(name, value, (limit) => limit === 0 || (limit >= 1e-30 && limit <= 1e15), '0 (off) or a number from 1e-30 to 1e15');
}

/** `E_CONFIG` that says what `name` must be and what it is. */
export function wrong(name: string, value: unknown, expected: string): GradwireError {
  return new GradwireError('E_CONFIG', `${name} must be ${expected}; got ${found(value)}`);
}

function found(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'function' ? 'a function' : String(value);
}
