// RMSprop's equations in scalar float32: the specification that every faster kernel must equal bit for bit.
import type { Arena } from './arena.ts';
import type { Constants, Kernel } from './kernel.ts';

const f32 = Math.fround;

/**
 * Keras 2's RMSprop, one element at a time, every operation a float32 operation rounded in the order written.
 *
 * ```
 * a = rho · a + (1 − rho) · g²
 * p = p − lr · g / (sqrt(a) + epsilon)
 * ```
 *
 * Source: `keras/optimizers.py` of Keras 2.3, class RMSprop. A float64 operation on float32 operands that is rounded to
 * float32 equals the float32 operation (+ − × ÷ √), so `Math.fround` around each is exact.
 */
export function scalarKernel(arena: Arena, { rho, omr, epsilon }: Constants): Kernel {
  const { parameters: p, accumulator: a, gradients, rows, factors } = arena;

  function step(i: number, g: number, factor: number, lr: number): void {
    const owed = f32(a[i] * factor);
    a[i] = f32(f32(rho * owed) + f32(omr * f32(g * g)));
    p[i] = f32(p[i] - f32(f32(lr * g) / f32(f32(Math.sqrt(a[i])) + epsilon)));
  }

  return {
    sumOfSquares(offset, length, sum) {
      let total = sum;
      for (let i = offset; i < offset + length; i++) total += gradients[i] * gradients[i];
      return total;
    },
    scale(offset, length, clipnorm, norm) {
      for (let i = offset; i < offset + length; i++) gradients[i] = f32(f32(gradients[i] * clipnorm) / norm);
    },
    clip(offset, length, clipvalue) {
      for (let i = offset; i < offset + length; i++) gradients[i] = Math.min(Math.max(gradients[i], -clipvalue), clipvalue);
    },
    dense(offset, length, lr) {
      for (let i = offset; i < offset + length; i++) step(i, gradients[i], 1, lr);
    },
    rows(offset, rowLength, count, lr) {
      for (let r = 0; r < count; r++) {
        for (let j = 0; j < rowLength; j++) {
          step(offset + rows[r] * rowLength + j, gradients[offset + r * rowLength + j], factors[r], lr);
        }
      }
    },
  };
}
