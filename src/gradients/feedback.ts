// Error feedback: what an encoding drops of a gradient is kept, and added to the next one of that tensor.
import { encodingOf } from '../encodings/encodings.ts';
import { largest } from '../encodings/largest.ts';
import type { EncodingOptions } from '../encodings/names.ts';
import { defaultShare, pick, rowsOf, shareOf } from '../encodings/topk.ts';
import { type Form, gradientIn } from '../frames/forms.ts';
import type { TensorSpec } from '../layout.ts';
import { union } from '../published/missing.ts';
import type { TensorGradient } from './check.ts';

/** What was dropped of one tensor so far: its values, and the rows among which it is. */
interface Dropped {
  readonly values: Float32Array;
  readonly rows: Set<number>;
}

/** What one sender has dropped. */
export class Feedback<Name extends string = string> {
  readonly #dropped = new Map<string, Dropped>();

  /**
   * The forms of a batch, with what was dropped of these tensors before. Of a sparse gradient what was dropped in a row waits
   * for the next gradient of that row, and with `topk` for its turn. `topk` sends of a sparse gradient the rows that hold its share.
   *
   * @throws GradwireError `E_CONFIG` for the options.
   */
  encode(gradients: readonly TensorGradient<Name>[], options: EncodingOptions = {}): Form<Name>[] {
    const encoding = encodingOf(options);
    return gradients.map((gradient) => {
      const { name } = gradient.tensor;
      if (!encoding.isLossy && !this.#dropped.has(name)) return gradient;
      const whole = this.#corrected(gradient, encoding.name === 'topk');
      const form = encoding.name === 'topk' ? topk(whole, options.share ?? defaultShare) : encoding.form(whole);
      // only topk sends nothing of what is zero
      const sent = form ?? whole;
      this.#drop(whole, sent);
      return sent;
    });
  }

  /** The gradient with what was dropped of its rows; of all rows where `isWhole`. */
  #corrected({ tensor, rows: own, values }: TensorGradient<Name>, isWhole: boolean): TensorGradient<Name> {
    const dropped = this.#dropped.get(tensor.name);
    if (dropped === undefined) return { tensor, rows: own, values };
    const rows = own !== undefined && isWhole ? union(own, Int32Array.from(dropped.rows).sort()) : own;
    const sum = rows === undefined ? dropped.values.slice() : rowsAt(dropped.values, rows, tensor);
    let at = 0;
    for (let i = 0; i < (own ?? [0]).length; i++) {
      const length = own === undefined ? values.length : tensor.rowLength;
      const to = own === undefined ? 0 : (rows as Int32Array).indexOf(own[i], at) * length;
      for (let j = 0; j < length; j++) {
        const value = Math.fround(sum[to + j] + values[i * length + j]);
        sum[to + j] = Number.isFinite(value) ? value : values[i * length + j];
      }
      if (own !== undefined) at = to / length;
    }
    return { tensor, rows, values: sum };
  }

  #drop({ tensor, rows, values }: TensorGradient<Name>, form: Form<Name>): void {
    const { name, length, rowLength } = tensor;
    const dropped = this.#dropped.get(name) ?? { values: new Float32Array(length), rows: new Set() };
    this.#dropped.set(name, dropped);
    const sent = gradientIn(form);
    if (rows === undefined) {
      for (let i = 0; i < length; i++) dropped.values[i] = values[i] - sent.values[i];
      return;
    }
    for (let i = 0; i < rows.length; i++) {
      const start = rows[i] * rowLength;
      dropped.values.set(values.subarray(i * rowLength, (i + 1) * rowLength), start);
      dropped.rows.add(rows[i]);
    }
    for (let i = 0; i < (sent.rows as Int32Array).length; i++) {
      const row = (sent.rows as Int32Array)[i];
      for (let j = 0; j < rowLength; j++) dropped.values[row * rowLength + j] -= sent.values[i * rowLength + j];
      if (dropped.values.subarray(row * rowLength, (row + 1) * rowLength).every((value) => value === 0)) dropped.rows.delete(row);
    }
  }
}

function rowsAt(values: Float32Array, rows: Int32Array, { rowLength }: TensorSpec): Float32Array {
  const some = new Float32Array(rows.length * rowLength);
  for (let i = 0; i < rows.length; i++) some.set(values.subarray(rows[i] * rowLength, (rows[i] + 1) * rowLength), i * rowLength);
  return some;
}

/** The share of a gradient: of a dense one its places, for the rest of it is zero; of a sparse one the rows that hold it. */
function topk<Name extends string>({ tensor, rows, values }: TensorGradient<Name>, share: number): Form<Name> | undefined {
  const chosen = largest(values, shareOf(values.length, share));
  if (rows === undefined) {
    const floats = pick(values, chosen);
    if (chosen.length * 2 < tensor.length) return { tensor, rows, indices: chosen, values: floats };
    const all = new Float32Array(tensor.length);
    for (let i = 0; i < chosen.length; i++) all[chosen[i]] = floats[i];
    return { tensor, rows, values: all };
  }
  if (chosen.length === 0) return undefined;
  const places = rowsOf(chosen, tensor.rowLength);
  return { tensor, rows: places.map((i) => rows[i]), values: rowsAt(values, places, tensor) };
}
