// diff: the first version, tensor and value at which two runs differ, to the last bit.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { from } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { serialize } from '../../src/frames/safetensors.ts';
import { encodeWeights } from '../../src/frames/weights.ts';
import type { Batch } from '../../src/gradients/batch.ts';
import { type Layout, layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { diff, fork, openJournal, record, replay } from '../../streams/recordings/index.ts';
import { ulpsBetween } from '../../streams/recordings/instruments/diff/tally.ts';
import { chance, seed, whole } from '../support/random.ts';
import { admitted, all, batches, digestsOf, directory, model, type Name, optimizer, refusal, removeDirectories } from './runs.ts';

test.after(removeDirectories);

const given = batches(20);
const clock = () => 1_700_000_000_000;

async function recorded(these: readonly Batch<Name>[] = given, options: object = optimizer, of: Layout = model): Promise<string> {
  const path = join(directory(), 'run.mcap');
  await all(from(these as Batch[]).pipe(record(path, { model: of, optimizer: options, clock })));
  return path;
}
const a = await recorded();

/** A copy of a batch whose tensors stand in memory of their own. */
function copyOf({
  gradients: { w, table },
  ...batch
}: Batch<Name>): Batch<Name> & { gradients: { w?: Float32Array; table?: { rows: Int32Array; values: Float32Array } } } {
  const rows = table as { rows: Int32Array; values: Float32Array } | undefined;
  const gradients = {
    ...(w === undefined ? {} : { w: (w as Float32Array).slice() }),
    ...(rows === undefined ? {} : { table: { rows: rows.rows.slice(), values: rows.values.slice() } }),
  };
  return { ...batch, gradients };
}

/** The batches with one of them changed. */
function changed(version: number, change: (batch: ReturnType<typeof copyOf>) => void): Batch<Name>[] {
  return given.map((batch, i) => {
    const copy = copyOf(batch);
    if (i + 1 === version) change(copy);
    return copy;
  });
}

/** The next float32 away from zero. */
function nextUp(value: number): number {
  const floats = Float32Array.of(value);
  new Int32Array(floats.buffer)[0] += 1;
  return floats[0];
}

test('two recordings of the same batches are equal, though their run ids and times are not', async () => {
  const result = await diff(a, await recorded());
  assert.equal([result.equal, result.versions, result.first, result.parameters], [true, [20, 20], null, null]);
  assert.is(result.digest, digestsOf(given)[20]);
  assert.match(result.notes.join('\n'), /^run differs: [0-9a-f]+ in A, [0-9a-f]+ in B$/);
  const itself = await diff(a, a);
  assert.equal([itself.equal, itself.notes], [true, []]);
});

test('a gradient that was changed by one ulp is found: version, tensor, index, both values', async () => {
  const random = chance();
  for (let i = 0; i < 12; i++) {
    const version = whole(random, 1, 20);
    let where: { tensor: string; index: number; a: number; b: number } = { tensor: '', index: 0, a: 0, b: 0 };
    const other = changed(version, ({ gradients: { w, table } }) => {
      const values = (w !== undefined && (table === undefined || random() < 0.5) ? w : table?.values) as Float32Array;
      const place = whole(random, 0, values.length - 1);
      const before = values[place];
      values[place] = nextUp(before);
      const isRows = values === table?.values;
      const index = isRows ? table.rows[Math.floor(place / 2)] * 2 + (place % 2) : place;
      where = { tensor: isRows ? 'table' : 'w', index, a: before, b: values[place] };
    });
    const { equal, first, versions } = await diff(a, await recorded(other));
    const maxDifference = Math.abs(where.a - where.b);
    assert.equal([equal, versions], [false, [20, 20]], `seed ${seed}`);
    assert.equal(first, { what: 'gradients', version, ...where, ulps: 1, differing: 1, maxDifference }, `seed ${seed}`);
  }
});

test('the first version whose folded parameters differ is found by folding both', async () => {
  const other = changed(7, ({ gradients: { w } }) => {
    if (w !== undefined) w[1] = 0.25;
  });
  const { first, parameters } = await diff(a, await recorded(other));
  assert.equal([first?.what, first?.version, first?.tensor, first?.index], ['gradients', 7, 'w', 1]);
  const folds = [given, other].map((these) => {
    const fold = new RMSprop(model, optimizer);
    for (const batch of these.slice(0, 7)) fold.step(batch);
    return fold.parameters.get('w');
  });
  const [one, two] = folds.map((w) => w[1]);
  assert.is.not(one, two);
  const ulps = ulpsBetween(one, two);
  assert.equal(parameters, {
    what: 'parameters',
    version: 7,
    tensor: 'w',
    index: 1,
    a: one,
    b: two,
    ulps,
    differing: 1,
    maxDifference: Math.abs(one - two),
  });
});

test('-0 is not 0, and no number of a difference is NaN', async () => {
  const zero = (value: number) =>
    changed(4, ({ gradients: { w } }) => {
      if (w !== undefined) w[2] = value;
    });
  const { first } = await diff(await recorded(zero(-0)), await recorded(zero(0)));
  assert.equal(
    [first?.what, first?.version, first?.tensor, first?.index, first?.ulps, first?.differing, first?.maxDifference],
    ['gradients', 4, 'w', 2, 0, 1, 0],
  );
  assert.ok(Object.is(first?.a, -0) && Object.is(first?.b, 0));
});

test('ulps count the steps between two floats, over zero too', () => {
  const least = 2 ** -149;
  assert.is(ulpsBetween(1, 1 + 2 ** -23), 1);
  assert.is(ulpsBetween(1, 1 - 2 ** -24), 1);
  assert.is(ulpsBetween(-least, least), 2);
  assert.is(ulpsBetween(-0, 0), 0);
  assert.is(ulpsBetween(-0, least), 1);
  assert.is(ulpsBetween(3.4028234663852886e38, -3.4028234663852886e38), 2 * 0x7f7fffff);
  assert.is(ulpsBetween(Number.NaN, 1), null);
});

test('rows and a dense gradient with zeros beside them have the same bits; the form is noted, and what it folds to compared', async () => {
  const dense = changed(5, (batch) => {
    const { rows, values } = batch.gradients.table as { rows: Int32Array; values: Float32Array };
    const table = new Float32Array(10);
    for (const [i, row] of rows.entries()) table.set(values.subarray(i * 2, i * 2 + 2), row * 2);
    (batch as { gradients: object }).gradients = { table };
  });
  const exact = await diff(a, await recorded(dense));
  assert.equal([exact.equal, exact.first], [true, null]);
  assert.match(exact.notes.join('\n'), /the form of a gradient differs at version 5: "table" as 2 rows in A, "table" dense in B/);
  const lazy = { ...optimizer, sparse: 'lazy' };
  const { first, parameters } = await diff(await recorded(given, lazy), await recorded(dense, lazy));
  assert.is(first?.what, 'parameters');
  assert.ok((first?.version as number) > 5);
  assert.equal(first, parameters);
  // control: another value in the dense form is another gradient
  const wrong = changed(2, (batch) => {
    (batch as { gradients: object }).gradients = { table: new Float32Array(10).fill(0.5) };
  });
  assert.equal(
    [(await diff(a, await recorded(wrong))).first].map((each) => [each?.what, each?.version, each?.index, each?.differing]),
    [['gradients', 2, 0, 10]],
  );
});

test('a tensor that only one batch holds is a difference, zeros or not', async () => {
  const without = changed(3, ({ gradients }) => void delete gradients.table);
  const { first } = await diff(a, await recorded(without));
  const { values } = given[2].gradients.table as { values: Float32Array };
  assert.equal(first, {
    what: 'gradients',
    version: 3,
    tensor: 'table',
    index: 0,
    a: values[0],
    b: null,
    ulps: null,
    differing: 4,
    maxDifference: null,
  });
});

test('what comes before the first batch is compared first: layout, optimizer, initial weights', async () => {
  const wider = layout({ w: [3], table: [5, 2], more: [1] });
  const layouts = await diff(a, await recorded(given, optimizer, wider));
  assert.equal(
    [layouts.first?.what, layouts.first?.tensor, layouts.first?.a, layouts.first?.b, layouts.versions],
    ['layout', 'more', null, [1], [20, 20]],
  );

  const faster = await diff(a, await recorded(given, { ...optimizer, lr: 0.02 }));
  assert.equal(
    [faster.first?.what, faster.first?.version, faster.first?.a, faster.first?.b],
    ['optimizer', 0, { lr: 0.01 }, { lr: 0.02 }],
  );
  assert.equal([faster.parameters?.version, faster.parameters?.tensor, faster.parameters?.differing], [1, 'w', 3]);

  const elsewhere = { ...optimizer, initial: { w: Float32Array.of(1, nextUp(-2), 0.5) } };
  const moved = await diff(a, await recorded(given, elsewhere));
  assert.equal(
    [moved.first?.what, moved.first?.version, moved.first?.tensor, moved.first?.index, moved.first?.ulps],
    ['initial', 0, 'w', 1, 1],
  );
  assert.equal(moved.parameters?.version, 0);
});

test('one that ends before the other is equal up to there', async () => {
  const shorter = await recorded(given.slice(0, 12));
  const { equal, first, versions } = await diff(shorter, a);
  assert.equal([equal, versions], [false, [12, 20]]);
  assert.equal([first?.what, first?.version, first?.a, first?.b], ['length', 13, 12, 20]);
  assert.equal((await diff(a, shorter)).versions, [20, 12]);
});

test('other producers and numbers are no difference of bits, but noted', async () => {
  const renamed = given.map((batch, i) => (i === 4 ? { ...batch, producer: 'else', loss: 7 } : batch));
  const { equal, notes } = await diff(a, await recorded(renamed));
  assert.ok(equal);
  assert.match(notes.join('\n'), /batch differs at version 5: "w0" epoch 0 sequence 5 in A, "else" epoch 0 sequence 5 in B/);
  assert.match(notes.join('\n'), /loss differs at version 5: .* in A, 7 in B/);
});

test("a trainer's directory over restarts is compared with a copy in one file", async () => {
  const path = directory();
  for (const start of [0, 10]) {
    const journal = await openJournal<Name>(path, { model, optimizer, durability: 'os', segmentBytes: 4000, clock });
    await all(from(admitted(given.slice(start, start + 10), start + 1)).pipe(journal.commit()));
    await journal.close();
  }
  const copy = join(directory(), 'copy.mcap');
  await all(replay<Name>(path).pipe(record(copy, { model, optimizer, clock })));
  const seen: number[] = [];
  const { equal, notes } = await diff(path, copy, { progress: ({ bytes, totalBytes }) => seen.push(bytes / totalBytes) });
  assert.ok(equal);
  assert.match(
    notes.join('\n'),
    /epochs differs: .*\ntrainer epoch differs at 10 versions, first at version 11: 2 in A, 1 in B/s,
  );
  assert.is(seen.at(-1), 1);
});

test('two safetensors files are compared tensor by tensor', async () => {
  const folder = directory();
  const write = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const snapshotOf = async (options: object): Promise<Uint8Array> => {
    let frame = new Uint8Array();
    await fork(a, { optimizer: options, snapshot: (each) => (frame = each.slice()) });
    return frame;
  };
  const one = write('one.safetensors', await snapshotOf({}));
  const same = write('same.safetensors', await snapshotOf({}));
  const equal = await diff(one, same);
  assert.equal([equal.equal, equal.versions, equal.digest], [true, [20, 20], digestsOf(given)[20]]);
  assert.match(equal.notes.join('\n'), /run differs/);

  const other = await diff(one, write('other.safetensors', await snapshotOf({ lr: 0.02 })));
  assert.equal([other.equal, other.first?.what, other.first?.version, other.first?.tensor], [false, 'parameters', 20, 'w']);

  const fold = new RMSprop(model, optimizer);
  for (const batch of given) fold.step(batch);
  const weights = write(
    'weights.safetensors',
    encodeWeights({ model: 'default', run: 'x', epoch: 1, version: 20 }, fold.parameters),
  );
  const mixed = await diff(one, weights);
  assert.ok(mixed.equal);
  assert.match(mixed.notes.join('\n'), /the parameters alone were compared/);
});

test('safetensors of any dtype are compared as bits, and shapes before values', async () => {
  const folder = directory();
  let count = 0;
  const write = (...given: Parameters<typeof serialize>): string => {
    const path = join(folder, `${count++}.safetensors`);
    writeFileSync(path, serialize(...given));
    return path;
  };
  const doubles = (last: number) => write({ d: { dtype: 'F64', shape: [2], data: Float64Array.of(1, last) } });
  const { first, versions } = await diff(doubles(2), doubles(2.5));
  assert.equal(
    [first?.tensor, first?.index, first?.a, first?.b, first?.maxDifference, first?.version, versions],
    ['d', 1, 2, 2.5, 0.5, null, [null, null]],
  );
  const shape = await diff(
    write({ w: { shape: [4], data: new Float32Array(4) } }),
    write({ w: { shape: [2, 2], data: new Float32Array(4) } }),
  );
  assert.equal([shape.first?.what, shape.first?.tensor, shape.first?.a, shape.first?.b], ['layout', 'w', [4], [2, 2]]);
  const scalar = (value: number) => write({ w: { shape: [1], data: Float32Array.of(value) } });
  const nan = await diff(scalar(Number.NaN), scalar(1));
  assert.equal([nan.first?.ulps, nan.first?.maxDifference], [null, null]);
});

test('what cannot be compared is refused', async () => {
  const file = join(directory(), 'w.safetensors');
  writeFileSync(file, serialize({}));
  await refusal('E_CONFIG', diff(a, file), /compare two recordings, or two safetensors files/);
  await refusal('E_FILE', diff(a, join(directory(), 'none.mcap')));
  await refusal('E_CONFIG', diff(a, a, { progres: 1 } as object), /did you mean "progress"/);
  const damaged = join(directory(), 'damaged.mcap');
  const bytes = readFileSync(a);
  bytes[Math.floor(bytes.length / 2)] ^= 1;
  writeFileSync(damaged, bytes);
  await refusal('E_RECORDING_CORRUPT', diff(a, damaged));
});

test.run();
