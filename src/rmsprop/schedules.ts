// The learning rate as a function of the number of batches already folded.

/** Inverse time decay as Keras 2 has it: `lr · 1 / (1 + decay · t)`, computed in float64 and rounded once to float32. */
export function learningRateAt(t: number, { lr, decay }: { readonly lr: number; readonly decay: number }): number {
  return Math.fround(decay > 0 ? (lr * 1) / (1 + decay * t) : lr);
}
