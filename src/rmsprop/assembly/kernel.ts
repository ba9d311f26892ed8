// The SIMD kernel, in AssemblyScript: four float32 lanes at a time, the rest one by one, in the order of the equations.
// Compiled by build.mjs beside it into ../kernel.generated.ts. Pointers are byte addresses in the arena's memory.

// @ts-ignore: decorator
@inline
function descend(p: usize, a: usize, g: f32, factor: f32, lr: f32, rho: f32, omr: f32, epsilon: f32): void {
  const mean = rho * (load<f32>(a) * factor) + omr * (g * g);
  store<f32>(a, mean);
  store<f32>(p, load<f32>(p) - (lr * g) / (sqrt<f32>(mean) + epsilon));
}

// @ts-ignore: decorator
@inline
function descend4(p: usize, a: usize, g: v128, mean: v128, lr: v128, rho: v128, omr: v128, epsilon: v128): void {
  const next = f32x4.add(f32x4.mul(rho, mean), f32x4.mul(omr, f32x4.mul(g, g)));
  v128.store(a, next);
  const update = f32x4.div(f32x4.mul(lr, g), f32x4.add(f32x4.sqrt(next), epsilon));
  v128.store(p, f32x4.sub(v128.load(p), update));
}

export function dense(p: usize, a: usize, g: usize, length: i32, lr: f32, rho: f32, omr: f32, epsilon: f32): void {
  const lr4 = f32x4.splat(lr);
  const rho4 = f32x4.splat(rho);
  const omr4 = f32x4.splat(omr);
  const epsilon4 = f32x4.splat(epsilon);
  const end4: usize = (<usize>length & ~3) << 2;
  const end: usize = <usize>length << 2;
  let i: usize = 0;
  for (; i < end4; i += 16) descend4(p + i, a + i, v128.load(g + i), v128.load(a + i), lr4, rho4, omr4, epsilon4);
  for (; i < end; i += 4) descend(p + i, a + i, load<f32>(g + i), 1, lr, rho, omr, epsilon);
}

export function rows(
  p: usize,
  a: usize,
  g: usize,
  indices: usize,
  factors: usize,
  count: i32,
  rowLength: i32,
  lr: f32,
  rho: f32,
  omr: f32,
  epsilon: f32,
): void {
  const lr4 = f32x4.splat(lr);
  const rho4 = f32x4.splat(rho);
  const omr4 = f32x4.splat(omr);
  const epsilon4 = f32x4.splat(epsilon);
  const end4: usize = (<usize>rowLength & ~3) << 2;
  const end: usize = <usize>rowLength << 2;
  for (let r: usize = 0; r < <usize>count; r++) {
    const target = <usize>load<u32>(indices + (r << 2)) * end;
    const source = g + r * end;
    const factor = load<f32>(factors + (r << 2));
    const factor4 = f32x4.splat(factor);
    let i: usize = 0;
    for (; i < end4; i += 16) {
      const at = target + i;
      descend4(p + at, a + at, v128.load(source + i), f32x4.mul(v128.load(a + at), factor4), lr4, rho4, omr4, epsilon4);
    }
    for (; i < end; i += 4) descend(p + target + i, a + target + i, load<f32>(source + i), factor, lr, rho, omr, epsilon);
  }
}

export function sumOfSquares(g: usize, length: i32, sum: f64): f64 {
  const end: usize = g + (<usize>length << 2);
  let total = sum;
  for (let i = g; i < end; i += 4) {
    const value = <f64>load<f32>(i);
    total += value * value;
  }
  return total;
}

export function scale(g: usize, length: i32, clipnorm: f32, norm: f32): void {
  const end: usize = g + (<usize>length << 2);
  for (let i = g; i < end; i += 4) store<f32>(i, (load<f32>(i) * clipnorm) / norm);
}

export function clip(g: usize, length: i32, clipvalue: f32): void {
  const end: usize = g + (<usize>length << 2);
  for (let i = g; i < end; i += 4) store<f32>(i, min<f32>(max<f32>(load<f32>(i), -clipvalue), clipvalue));
}
