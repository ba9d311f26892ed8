// Published weights q beside the parameters p: what q still lacks of p, and applying exactly what is sent.
import type { Form } from './frames/forms.ts';
import type { Touched } from './rmsprop/fold/fold.ts';
import { Tensors } from './tensors.ts';

/** The weights that replicas hold. A publication returns what it sends, and applies exactly that to them. */
export class Published<Name extends string = string> {
  /** **Live view** of the published weights; the next publication overwrites it. */
  readonly weights: Tensors<Name>;

  /** Published weights equal to `parameters`, which are copied. */
  constructor(parameters: Tensors<Name>) {
    this.weights = new Tensors(parameters.layout, parameters.flat.slice());
  }

  /**
   * New values for what a step touched, in encoding `f32`: rows where they take fewer bytes than the whole tensor.
   * Values are views or gathered copies, good until the next step.
   */
  take(touched: readonly Touched<Name>[], parameters: Tensors<Name>): Form<Name>[] {
    const forms = touched.map(({ tensor, rows }): Form<Name> => {
      const values = parameters.get(tensor.name);
      const sparse = rows !== undefined && rows.length * (1 + tensor.rowLength) < tensor.length;
      return sparse ? { tensor, rows, values: gather(values, rows, tensor.rowLength) } : { tensor, rows: undefined, values };
    });
    applyForms(this.weights, forms);
    return forms;
  }
}

/** Writes new values into the weights: all forms in this one synchronous turn. */
export function applyForms(weights: Tensors, forms: readonly Form[]): void {
  for (const { tensor, rows, values } of forms) {
    const { offset, rowLength } = tensor;
    if (rows === undefined) weights.flat.set(values, offset);
    else if (rowLength === 1) for (let i = 0; i < rows.length; i++) weights.flat[offset + rows[i]] = values[i];
    else {
      for (let i = 0; i < rows.length; i++) {
        weights.flat.set(values.subarray(i * rowLength, (i + 1) * rowLength), offset + rows[i] * rowLength);
      }
    }
  }
}

function gather(values: Float32Array, rows: Int32Array, rowLength: number): Float32Array {
  const gathered = new Float32Array(rows.length * rowLength);
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < rowLength; j++) gathered[i * rowLength + j] = values[rows[i] * rowLength + j];
  }
  return gathered;
}
