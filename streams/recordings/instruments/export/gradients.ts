// The gradients of a recording, stacked: each tensor as [versions, …shape], written batch by batch.
import { bytesOf } from '../../../../src/digest.ts';
import { GradwireError, quote } from '../../../../src/errors.ts';
import type { Layout } from '../../../../src/layout.ts';
import { Rollback } from '../../../../src/rmsprop/state/rollback.ts';
import { batchesOf, lending, type RecordedBatch } from '../../history/batches.ts';
import { chunksOf, type ReadProgress } from '../../history/chunks.ts';
import { findEnd } from '../../history/end.ts';
import { readHistory } from '../../history/history.ts';
import type { ArraySource, ArraySpec } from './array.ts';

/** Which versions: `from` the first, `until` the last; all unless told. */
export interface GradientRange {
  readonly from?: number;
  readonly until?: number;
  readonly progress?: (progress: ReadProgress) => void;
}

const versionsName = 'versions';

/** The gradients of a recording's dense batches. Throws `E_RECORDING` for versions that are not there, and the codes of `replay`. */
export async function recordedGradients(path: string, { from, until, progress }: GradientRange): Promise<ArraySource> {
  const history = await readHistory(path);
  const { lastVersion } = await findEnd(history);
  const { firstVersion } = history.segments[0];
  const [first, last] = [from ?? firstVersion, until ?? lastVersion];
  if (first < firstVersion || last > lastVersion || last < first) {
    const held = lastVersion < firstVersion ? 'no batches' : `versions ${firstVersion} to ${lastVersion}`;
    throw new GradwireError('E_RECORDING', `the recording has ${held}; asked for were the gradients of ${first} to ${last}`);
  }
  const { model, run, name } = history.about;
  if (model.get(versionsName) !== undefined)
    throw new GradwireError('E_RECORDING', `a tensor is named ${quote(versionsName)}, as the array of versions is; rename one`);
  const count = last - first + 1;
  return {
    arrays: [versionsOf(count), ...model.tensors.map((tensor) => stacked(tensor, count))],
    metadata: { run, model: name, from: String(first), until: String(last) },
    version: undefined,
    fill: async (file) => {
      const options = { from: first - 1, until: last, keep: lending() };
      for await (const chunk of chunksOf(history, { from: first - 1, until: last, progress })) {
        for (const batch of batchesOf(chunk, model, options)) {
          demandDense(batch, model);
          await file.append(0, bytesOf(BigInt64Array.of(BigInt(batch.version))));
          for (const [i, { values }] of batch.checked.tensors.entries()) await file.append(i + 1, bytesOf(values));
        }
      }
    },
  };
}

function versionsOf(count: number): ArraySpec {
  return { name: versionsName, dtype: 'I64', shape: [count], byteLength: count * 8 };
}

function stacked({ name, shape, length }: Layout['tensors'][number], count: number): ArraySpec {
  return { name, dtype: 'F32', shape: [count, ...shape], byteLength: count * length * 4 };
}

/** Throws `E_RECORDING` for a batch that does not fill every tensor. */
function demandDense({ version, checked }: RecordedBatch, model: Layout): void {
  const rows = checked.tensors.find((each) => each.rows !== undefined);
  const absent = model.tensors.find(({ name }) => !checked.tensors.some(({ tensor }) => tensor.name === name));
  const wrong =
    checked instanceof Rollback
      ? `is a rollback to version ${checked.to}`
      : rows !== undefined
        ? `holds rows of ${quote(rows.tensor.name)}`
        : absent !== undefined
          ? `leaves out ${quote(absent.name)}`
          : undefined;
  if (wrong === undefined) return;
  const text = `version ${version} ${wrong}; gradients are stacked of dense batches alone: choose others with from and until`;
  throw new GradwireError('E_RECORDING', text);
}
