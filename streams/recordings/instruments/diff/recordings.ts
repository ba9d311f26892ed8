// Two recordings compared: both read and folded side by side, in one pass.
import type { RecordedBatch } from '../../history/batches.ts';
import type { ReadProgress } from '../../history/chunks.ts';
import { type History, readHistory } from '../../history/history.ts';
import { batchesIn } from '../forking/batches.ts';
import { JointProgress } from '../forking/joint-progress.ts';
import { type Diff, type Difference, differenceOf } from './finding.ts';
import { layoutDifference } from './layouts.ts';
import { Sides } from './sides.ts';

/** Compares two recordings that begin with version 1. Throws the codes of `replay` and `foldFrom`. */
export async function diffRecordings(pathA: string, pathB: string, progress: (progress: ReadProgress) => void): Promise<Diff> {
  const a = await readHistory(pathA);
  const b = await readHistory(pathB);
  const layout = layoutDifference(a.about.model, b.about.model);
  const sides = layout === null ? await Sides.of(a, b) : undefined;
  const joint = new JointProgress(progress, 2);
  // one layout for both, where it is the same
  const model = layout === null ? a.about.model : b.about.model;
  const batches = [batchesIn(a, { progress: joint.of(0) }), batchesIn(b, { model, progress: joint.of(1) })] as const;
  const versions = await walk(batches, (one, other) => sides?.compare(one, other));
  const found = [layout, ...(sides?.found() ?? []), lengthDifference(...versions)].filter((each) => each !== null);
  const [first = null, ...further] = found;
  const notes = [...aboutNotes(a, b), ...further.map(furtherNote), ...(sides?.labels.notes() ?? [])];
  const digest = first === null ? (sides?.digest() ?? null) : null;
  return { of: 'recordings', equal: first === null, versions, first, parameters: sides?.parameters ?? null, notes, digest };
}

type Batches = AsyncGenerator<RecordedBatch, void, undefined>;

/** Reads both to their ends, pair by pair as long as both go on; gives the last version of each. */
async function walk(
  [a, b]: readonly [Batches, Batches],
  compare: (a: RecordedBatch, b: RecordedBatch) => void,
): Promise<[number, number]> {
  const last: [number, number] = [0, 0];
  try {
    for (;;) {
      const one = await a.next();
      const other = await b.next();
      if (!one.done) last[0] = one.value.version;
      if (!other.done) last[1] = other.value.version;
      if (one.done && other.done) return last;
      if (!one.done && !other.done) compare(one.value, other.value);
    }
  } finally {
    await a.return();
    await b.return();
  }
}

function lengthDifference(a: number, b: number): Difference | null {
  return a === b ? null : differenceOf('length', { version: Math.min(a, b) + 1, a, b });
}

/** What differs beside the first difference; a difference of parameters is told by itself. */
function furtherNote({ what, version, tensor, index, a, b }: Difference): string {
  if (what === 'length') return `the last version differs: ${a} in A, ${b} in B`;
  if (tensor === null) return `the ${what} differs: ${JSON.stringify(a)} in A, ${JSON.stringify(b)} in B`;
  return `${what} differ first at version ${version}, ${JSON.stringify(tensor)}[${index}]: ${a} in A, ${b} in B`;
}

function aboutNotes({ about: a }: History, { about: b }: History): string[] {
  const facts = { run: [a.run, b.run], model: [a.name, b.name], epochs: [JSON.stringify(a.epochs), JSON.stringify(b.epochs)] };
  return Object.entries(facts)
    .filter(([, [one, other]]) => one !== other)
    .map(([name, [one, other]]) => `${name} differs: ${one} in A, ${other} in B`);
}
