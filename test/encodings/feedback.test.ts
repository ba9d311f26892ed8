// Error feedback: what an encoding drops of one gradient is added to the next, as a plain reference does it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type EncodingName, encodingNames } from '../../src/encodings/names.ts';
import { gradientIn } from '../../src/frames/forms.ts';
import { checkGradients, type Gradients } from '../../src/gradients/check.ts';
import { Feedback } from '../../src/gradients/feedback.ts';
import { layout } from '../../src/layout.ts';
import { sameBits } from '../support/bits.ts';
import { chance, seed } from '../support/random.ts';

const model = layout({ table: [30, 4], bias: [7] });
const lossy = encodingNames.filter((name) => name !== 'f32');

function denseBatch(random: () => number): Gradients<'table' | 'bias'> {
  const values = (length: number) => Float32Array.from({ length }, () => (random() - 0.45) * 3);
  return checkGradients(model, { table: values(120), bias: values(7) });
}

/** Every value that a batch gives in the end, all tensors one after the other. */
function decoded(forms: readonly Parameters<typeof gradientIn>[0][]): Float32Array {
  const flat = new Float32Array(model.length);
  for (const form of forms) {
    const { tensor, rows, values } = gradientIn(form);
    if (rows === undefined) flat.set(values, tensor.offset);
    else
      rows.forEach((row, i) => {
        flat.set(values.subarray(i * tensor.rowLength, (i + 1) * tensor.rowLength), tensor.offset + row * tensor.rowLength);
      });
  }
  return flat;
}

for (const encoding of lossy) {
  test(`${encoding}: each dense batch carries what the one before dropped, bit for bit as a plain loop has it`, () => {
    const random = chance(seed);
    const feedback = new Feedback<'table' | 'bias'>();
    const owed = new Float32Array(model.length);
    for (let i = 0; i < 40; i++) {
      const { tensors } = denseBatch(random);
      const whole = Float32Array.from(decoded(tensors), (value, j) => Math.fround(owed[j] + value));
      const views = tensors.map(({ tensor }) => ({
        tensor,
        rows: undefined,
        values: whole.slice(tensor.offset, tensor.offset + tensor.length),
      }));
      // a sender without a past, given the sum
      const expected = decoded(new Feedback<'table' | 'bias'>().encode(views, { encoding, share: 0.1 }));
      const sent = decoded(feedback.encode(tensors, { encoding, share: 0.1 }));
      sameBits(sent, expected);
      for (let j = 0; j < owed.length; j++) owed[j] = whole[j] - sent[j];
    }
  });

  test(`${encoding}: over two hundred batches nothing is lost, dense or of rows; without feedback much is`, () => {
    for (const sparse of [false, true]) {
      const random = chance(seed + 1);
      const feedback = new Feedback<'table' | 'bias'>();
      const sums = { given: new Float64Array(120), sent: new Float64Array(120), forgetful: new Float64Array(120) };
      const add = (to: Float64Array, flat: Float32Array) => to.forEach((value, i) => void (to[i] = value + flat[i]));
      for (let i = 0; i < 200; i++) {
        // the last batches hold every row, so that each row's debt has its turn
        const rows = Int32Array.from({ length: 30 }, (_, row) => row).filter(() => i > 150 || random() < 0.3);
        const values = Float32Array.from({ length: rows.length * 4 }, () => (random() - 0.4) * 2);
        const { tensors } = sparse ? checkGradients(model, { table: { rows, values } }) : denseBatch(random);
        const table = tensors.slice(0, 1);
        const options = { encoding, share: 0.2 } as const;
        add(sums.given, decoded(table).subarray(0, 120));
        add(sums.sent, decoded(feedback.encode(table, options)).subarray(0, 120));
        add(sums.forgetful, decoded(new Feedback<'table' | 'bias'>().encode(table, options)).subarray(0, 120));
      }
      const off = (sum: Float64Array) => Math.max(...sum.map((value, i) => Math.abs(value - sums.given[i])));
      const limits: Record<string, number> = { f16: 0.002, bf16: 0.02, int8: 0.03, topk: 12 };
      assert.ok(off(sums.sent) <= limits[encoding], `off by ${off(sums.sent)}, seed ${seed}`);
      assert.ok(off(sums.forgetful) > off(sums.sent) * 2, `the control is off by ${off(sums.forgetful)}`);
    }
  });
}

test('what was dropped of a tensor goes with the next batch of it, in whatever encoding that is', () => {
  const feedback = new Feedback<'table' | 'bias'>();
  const first = checkGradients(model, { bias: Float32Array.of(1, 2, 3, 4, 5, 6, 7) });
  feedback.encode(first.tensors, { encoding: 'topk', share: 0.01 });
  const second = checkGradients(model, { bias: new Float32Array(7).fill(0.5) });
  const [form] = feedback.encode(second.tensors, { encoding: 'f32' });
  assert.equal([...(form.values as Float32Array)], [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 0.5]);
  const [third] = feedback.encode(second.tensors, {});
  assert.equal([...(third.values as Float32Array)], new Array(7).fill(0.5));
});

test('topk sends of a dense gradient its places, and of rows whole rows, so that it stays what it was', () => {
  const encode = (gradients: Gradients<'table' | 'bias'>, encoding: EncodingName) =>
    new Feedback<'table' | 'bias'>().encode(gradients.tensors, { encoding, share: 0.1 });
  const values = Float32Array.from({ length: 12 }, (_, i) => i);
  const [sparse] = encode(checkGradients(model, { table: { rows: Int32Array.of(3, 9, 20), values } }), 'topk');
  assert.equal([[...(sparse.rows ?? [])], [...(sparse.values as Float32Array)]], [[20], [8, 9, 10, 11]]);
  const [dense] = encode(checkGradients(model, { bias: Float32Array.of(0, 0, -3, 0, 0, 0, 0) }), 'topk');
  assert.equal([[...(dense.indices ?? [])], [...(dense.values as Float32Array)]], [[2], [-3]]);
});

test.run();
