// The two forms in which names and values come: an object, or pairs.
import { GradwireError, quote } from '../../errors.ts';

/** Named values: an object, or pairs in an order of their own, as from a Map. */
export type Pairs<T> = Iterable<readonly [string, T]> | Readonly<Record<string, T>>;

/**
 * Either form as a Map, in the order given.
 *
 * @throws GradwireError `E_ST_DUPLICATE` for a name that occurs twice, `E_CONFIG` for what is neither form.
 */
export function mapOf<T>(what: string, source: Pairs<T>): ReadonlyMap<string, T> {
  if (typeof source !== 'object' || source === null) refuse(what, typeof source);
  if (!(Symbol.iterator in source)) return new Map(Object.entries(source));
  const map = new Map<string, T>();
  for (const pair of source as Iterable<readonly [string, T]>) {
    if (!Array.isArray(pair) || typeof pair[0] !== 'string') refuse(what, 'other elements');
    const [name, value] = pair;
    if (map.has(name)) throw new GradwireError('E_ST_DUPLICATE', `${quote(name)} occurs twice in the ${what}`);
    map.set(name, value);
  }
  return map;
}

function refuse(what: string, found: string): never {
  throw new GradwireError('E_CONFIG', `the ${what} must be an object or pairs of a name and a value, got ${found}`);
}
