// norms: mean gradient norms and losses by bucket, in one pass, whatever the recording's length.
import { join } from 'node:path';
import { from } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { norms, record } from '../../streams/recordings/index.ts';
import { all, batches, directory, model, optimizer, refusal, removeDirectories } from './runs.ts';

test.after(removeDirectories);

const path = join(directory(), 'a.mcap');
const given = batches(21);
await all(from(given).pipe(record(path, { model, optimizer })));

/** A batch's norm, and the mean of those of a producer from one version to another. */
const normOf = ({ gradients }: (typeof given)[number]): number => {
  const { w = [], table } = gradients as { w?: Float32Array; table?: { values: Float32Array } };
  return Math.sqrt([...w, ...(table?.values ?? [])].reduce((sum, value) => sum + value * value, 0));
};
const mean = (values: number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;

/** What the buckets of a width must hold. */
function expected(width: number, pick: (batch: (typeof given)[number]) => number, producer?: string): (number | null)[] {
  return Array.from({ length: Math.ceil(given.length / width) }, (_, i) =>
    mean(
      given
        .slice(i * width, (i + 1) * width)
        .filter((batch) => producer === undefined || batch.producer === producer)
        .map(pick),
    ),
  );
}

const close = (found: readonly (number | null)[], wanted: readonly (number | null)[]): boolean =>
  found.length === wanted.length &&
  found.every((value, i) => (value === null) === (wanted[i] === null) && Math.abs((value ?? 0) - (wanted[i] ?? 0)) < 1e-12);

test('buckets become twice as wide where there are too few, and hold the means of their versions', async () => {
  for (const [buckets, width] of [
    [64, 1],
    [21, 1],
    [20, 2],
    [5, 8],
    [2, 16],
  ]) {
    const { firstVersion, versionsPerBucket, producers, losses } = await norms(path, { buckets });
    assert.equal([firstVersion, versionsPerBucket], [1, width], `${buckets} buckets`);
    for (const { producer, norms: found } of producers) assert.ok(close(found, expected(width, normOf, producer)), producer);
    assert.ok(
      close(
        losses,
        expected(width, ({ loss = 0 }) => loss),
      ),
    );
    assert.is(producers.length, 2);
  }
});

test('a number of buckets that is none is refused', async () => {
  for (const buckets of [0, 1, 1.5, 10_001]) await refusal('E_CONFIG', norms(path, { buckets }));
  await refusal('E_CONFIG', norms(path, { bucket: 3 } as never), /did you mean "buckets"/);
});

test.run();
