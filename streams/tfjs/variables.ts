// Which variables are meant: those of a model or a list, their layout and their values, and how they meet a layout's tensors.
import { GradwireError, quote } from '../../src/errors.ts';
import { type Layout, layout } from '../../src/layout.ts';
import type { TensorFlow, TfModel, TfTensor, TfVariable, TfWeight } from './tensorflow.ts';
import { peek } from './values.ts';

/** A layers model, of which the trainable weights are meant, or variables: `tf.Variable`s, or weights as a model lists them. */
export type Variables = TfModel | readonly (TfVariable | TfWeight)[];

/**
 * The layout of a model's trainable weights, or of variables, under the names that TF.js has for them.
 *
 * Weights that are not trained, as the moving averages of a batch normalization, are no part of it.
 *
 * @throws GradwireError `E_LAYOUT` for what is neither, and for two variables of one name; `E_DTYPE` for a variable that is not float32.
 */
export function layoutOf(variables: Variables): Layout {
  const all = variablesOf(variables);
  const names = new Set<string>();
  for (const { name } of all) {
    if (names.has(name)) throw new GradwireError('E_LAYOUT', `two variables are named ${quote(name)}; give each its own name`);
    names.add(name);
  }
  return layout(all.map(({ name, shape }) => [name, [...shape]] as const));
}

/**
 * The values of a model's trainable weights by name, as copies: the `initial` of an optimizer.
 *
 * @throws GradwireError as {@link layoutOf}.
 */
export function fromModel(tf: TensorFlow, layersModel: Variables): Record<string, Float32Array> {
  return Object.fromEntries(variablesOf(layersModel).map((variable) => [variable.name, copyOf(tf, variable)]));
}

/** A copy of a variable's values. Throws `E_DTYPE` where they are not float32. */
export function copyOf(tf: TensorFlow, variable: TfVariable): Float32Array<ArrayBuffer> {
  demandFloats(variable);
  return new Float32Array(peek(tf, variable));
}

/** The variables that are meant, in their order. Throws `E_LAYOUT` or `E_DTYPE`. */
export function variablesOf(variables: Variables): TfVariable[] {
  const list = Array.isArray(variables) ? (variables as readonly unknown[]) : (variables as TfModel | null)?.trainableWeights;
  if (!Array.isArray(list))
    throw new GradwireError('E_LAYOUT', 'variables are a layers model or a list of tf.Variables; nothing was done');
  const all = list.map((each, i) => variableOf(each, i));
  for (const each of all) demandFloats(each);
  return all;
}

/**
 * The variable of each of a layout's tensors, in layout order: by name where every tensor finds its own, otherwise by order, as
 * TF.js and Keras match lists of weights; then there must be as many, of the same shapes.
 *
 * @throws GradwireError `E_LAYOUT` where they do not fit.
 */
export function matched(model: Layout, variables: readonly TfVariable[]): TfVariable[] {
  const byName = new Map(variables.map((variable) => [variable.name, variable]));
  const isNamed = model.tensors.every(({ name }) => byName.has(name));
  if (!isNamed && variables.length !== model.tensors.length) {
    const stray = model.tensors.find(({ name }) => !byName.has(name));
    const text = `${variables.length} variables for ${model.tensors.length} tensors, and none is named ${quote(stray?.name ?? '')}`;
    throw new GradwireError('E_LAYOUT', `${text}; nothing was written`);
  }
  return model.tensors.map(({ name, shape }, i) => {
    const variable = isNamed ? (byName.get(name) as TfVariable) : variables[i];
    if (!sameShape(variable.shape, shape)) {
      const text = `${quote(name)} is [${shape}], the variable ${quote(variable.name)} is [${variable.shape}]`;
      throw new GradwireError('E_LAYOUT', `${text}; nothing was written`);
    }
    return variable;
  });
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i]);
}

function variableOf(given: unknown, i: number): TfVariable {
  const held = typeof (given as TfWeight | null)?.read === 'function' ? (given as TfWeight).read() : given;
  if (typeof (held as TfVariable | null)?.assign === 'function') return held as TfVariable;
  throw new GradwireError('E_LAYOUT', `number ${i} of the variables is no tf.Variable; nothing was done`);
}

function demandFloats({ name, dtype }: TfTensor & { readonly name: string }): void {
  if (dtype !== 'float32') throw new GradwireError('E_DTYPE', `the variable ${quote(name)} is ${dtype}, not float32`);
}
