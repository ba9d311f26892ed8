// What two batches say about themselves: who made them, how they were folded, and labels that no fold depends on.
import type { RecordedBatch } from '../../history/batches.ts';

interface Label {
  readonly version: number;
  readonly a: string;
  readonly b: string;
  count: number;
}

/** Counts the versions at which labels differ, and keeps the first of each. */
export class Labels {
  readonly #labels: Map<string, Label> = new Map<string, Label>();

  /** Looks at what two batches of the same version say. */
  compare(a: RecordedBatch, b: RecordedBatch): void {
    const one = labelsOf(a);
    const other = labelsOf(b);
    for (const [name, value] of Object.entries(one)) if (value !== other[name]) this.note(name, a.version, [value, other[name]]);
  }

  /** Notes that something differs at a version. */
  note(name: string, version: number, [a, b]: readonly [string, string]): void {
    const known = this.#labels.get(name);
    if (known === undefined) this.#labels.set(name, { version, a, b, count: 1 });
    else known.count += 1;
  }

  /** A line for each label that differs. */
  notes(): string[] {
    return [...this.#labels].map(([name, { version, a, b, count }]) => {
      const first = count === 1 ? `differs at version ${version}` : `differs at ${count} versions, first at version ${version}`;
      return `${name} ${first}: ${a} in A, ${b} in B`;
    });
  }
}

function labelsOf({ header, epoch, factor = 1, parts = [] }: RecordedBatch): Record<string, string> {
  const { producer, producerEpoch, sequence, base, examples, loss, time } = header;
  const said = Object.entries({ base, examples, loss, time }).map(([name, value]) => [
    name,
    value === undefined ? 'none' : String(value),
  ]);
  return {
    batch: `${JSON.stringify(producer)} epoch ${producerEpoch} sequence ${sequence}`,
    ...Object.fromEntries(said),
    'trainer epoch': String(epoch),
    'learning rate factor': String(factor),
    round: parts.length === 0 ? 'none' : JSON.stringify(parts.map((each) => [each.producer, each.producerEpoch, each.sequence])),
  };
}
