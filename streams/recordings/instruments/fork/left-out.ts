// Which batches a fork leaves out: those of some producers, and those of some versions.
import { GradwireError, quote } from '../../../../src/errors.ts';
import type { BatchIdentity } from '../../../../src/producers.ts';
import type { RecordedBatch } from '../../history/batches.ts';

/** A version, or all from the first to the last: `7`, `[3, 9]`, or as text `'7'`, `'3..9'`. */
export type VersionRange = number | string | readonly [first: number, last: number];

/** The batches that are left out, counted. */
export class LeftOut {
  readonly #producers: ReadonlySet<string>;
  readonly #ranges: readonly (readonly [first: number, last: number])[];
  readonly #seen: Set<string> = new Set<string>();
  count = 0;

  /** @throws GradwireError `E_CONFIG` for what is no list of producers, or no range of versions. */
  constructor(producers: readonly string[], versions: readonly VersionRange[]) {
    if (!Array.isArray(producers) || producers.some((name) => typeof name !== 'string'))
      throw new GradwireError('E_CONFIG', 'withoutProducers must be a list of names');
    if (!Array.isArray(versions)) throw new GradwireError('E_CONFIG', 'withoutVersions must be a list of versions and ranges');
    this.#producers = new Set(producers);
    this.#ranges = versions.map(rangeOf);
  }

  /** Whether the batch is left out. Asked once for each batch. Throws `E_CONFIG` for a mean of which only some parts are to be left out. */
  takes({ header, parts, version }: Pick<RecordedBatch, 'header' | 'parts' | 'version'>): boolean {
    const made: readonly BatchIdentity[] = parts ?? [header];
    const named = made.filter(({ producer }) => this.#producers.has(producer));
    for (const { producer } of named) this.#seen.add(producer);
    if (named.length > 0 && named.length < made.length) throw mixed(version, named[0].producer);
    const byProducer = named.length > 0;
    const taken = byProducer || this.#ranges.some(([first, last]) => version >= first && version <= last);
    if (taken) this.count += 1;
    return taken;
  }

  /** Producers that were to be left out, and that no batch was of. */
  absent(): string[] {
    return [...this.#producers].filter((name) => !this.#seen.has(name));
  }
}

function mixed(version: number, producer: string): GradwireError {
  const text = `version ${version} is the mean of a round in which ${quote(producer)} took part, whose share cannot be taken out; leave out the version`;
  return new GradwireError('E_CONFIG', text);
}

function rangeOf(range: VersionRange): readonly [number, number] {
  const [first, last = first] =
    typeof range === 'number' ? [range] : typeof range === 'string' ? numbersIn(range) : Array.isArray(range) ? range : [];
  if (Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= 1 && first <= last) return [first, last];
  const found = typeof range === 'string' ? quote(range) : JSON.stringify(range);
  throw new GradwireError('E_CONFIG', `versions to leave out are a version or a range a..b, 1 <= a <= b; got ${found}`);
}

function numbersIn(text: string): number[] {
  const [, first, last = first] = /^(\d{1,16})(?:\.\.(\d{1,16}))?$/.exec(text) ?? [];
  return first === undefined ? [] : [Number(first), Number(last)];
}
