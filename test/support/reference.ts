// A float32 reference of Keras 2's RMSprop, written from docs/SEMANTICS.md without a look at the kernels: the tests' own.

/** One tensor's state in the reference. */
export interface Reference {
  readonly p: Float32Array;
  readonly a: Float32Array;
}

/** The reference's options; clipping as Keras 2 does it. */
export interface ReferenceOptions {
  lr: number;
  rho: number;
  epsilon: number;
  decay: number;
  clipnorm?: number;
  clipvalue?: number;
}

// float32 arithmetic by storing into a one-element array: no use of Math.fround, which the kernels use
const cell = new Float32Array(1);
const round = (value: number): number => {
  cell[0] = value;
  return cell[0];
};

/** Folds dense gradients, tensor by tensor, as batch number `t` (from 0). */
export function referenceStep(
  tensors: Map<string, Reference>,
  gradients: Map<string, Float32Array>,
  t: number,
  options: ReferenceOptions,
): void {
  const lr = round(options.decay > 0 ? options.lr / (1 + options.decay * t) : options.lr);
  const clipped = clip(tensors, gradients, options);
  const rho = round(options.rho);
  const rest = round(1 - rho);
  const epsilon = round(options.epsilon);
  for (const [name, g] of clipped) {
    const { p, a } = tensors.get(name) as Reference;
    for (let i = 0; i < g.length; i++) {
      const kept = round(rho * a[i]);
      const square = round(g[i] * g[i]);
      a[i] = round(kept + round(rest * square));
      const root = round(Math.sqrt(a[i]));
      p[i] = round(p[i] - round(round(lr * g[i]) / round(root + epsilon)));
    }
  }
}

function clip(
  tensors: Map<string, Reference>,
  gradients: Map<string, Float32Array>,
  { clipnorm = 0, clipvalue = 0 }: ReferenceOptions,
): Map<string, Float32Array> {
  const clipped = new Map([...gradients].map(([name, g]) => [name, g.slice()]));
  if (clipnorm > 0) {
    let sum = 0;
    // in layout order, which is the order of the tensors, not of the batch
    for (const name of tensors.keys()) for (const g of clipped.get(name) ?? []) sum += g * g;
    const norm = round(Math.sqrt(sum));
    const limit = round(clipnorm);
    if (norm >= limit)
      for (const g of clipped.values()) for (let i = 0; i < g.length; i++) g[i] = round(round(g[i] * limit) / norm);
  }
  if (clipvalue > 0) {
    const limit = round(clipvalue);
    for (const g of clipped.values())
      for (let i = 0; i < g.length; i++) g[i] = g[i] < -limit ? -limit : g[i] > limit ? limit : g[i];
  }
  return clipped;
}
