// Applying forms to weights: new values are written, what an encoding adds is added in float32. Trainer and replica do it with the same lines.
import { addCodes } from '../encodings/int8.ts';
import { unpack } from '../encodings/packed.ts';
import type { Form } from '../frames/forms.ts';
import type { Tensors } from '../tensors.ts';

/** Writes or adds values: all forms in this one synchronous turn. */
export function applyForms(weights: Tensors, forms: readonly Form[], encoding: string = 'f32'): void {
  const isNew = encoding === 'f32';
  for (const form of forms) {
    const target = weights.flat.subarray(form.tensor.offset, form.tensor.offset + form.tensor.length);
    const { rows, indices, values } = form;
    if (isNew) write(target, form, unpack(form.values));
    else if ('codes' in values && rows === undefined && indices === undefined) addCodes(values, target);
    else add(target, form, unpack(form.values));
  }
}

function write(target: Float32Array, { tensor, rows, indices }: Form, values: Float32Array): void {
  const { rowLength } = tensor;
  const places = indices ?? (rowLength === 1 ? rows : undefined);
  if (places !== undefined) for (let i = 0; i < places.length; i++) target[places[i]] = values[i];
  else if (rows === undefined) target.set(values);
  else for (let i = 0; i < rows.length; i++) target.set(values.subarray(i * rowLength, (i + 1) * rowLength), rows[i] * rowLength);
}

function add(target: Float32Array, { tensor, rows, indices }: Form, values: Float32Array): void {
  const { rowLength } = tensor;
  const places = indices ?? (rowLength === 1 ? rows : undefined);
  if (places !== undefined) for (let i = 0; i < places.length; i++) target[places[i]] += values[i];
  else if (rows === undefined) for (let i = 0; i < target.length; i++) target[i] += values[i];
  else
    for (let i = 0; i < rows.length; i++)
      for (let j = 0, to = rows[i] * rowLength; j < rowLength; j++, to++) target[to] += values[i * rowLength + j];
}
