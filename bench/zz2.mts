import { layout } from '../src/index.ts';
import { makeArena } from '../src/rmsprop/arena.ts';
import { at, passes } from '../src/rmsprop/control.ts';
import { simdKernel } from '../src/rmsprop/kernel.ts';

for (const n of [10_000, 1_000_000]) {
  const arena = makeArena(layout({ w: [n] }), {
    centered: false,
    momentum: false,
    average: false,
    gradientSum: false,
    shared: false,
  });
  arena.constants.fill(0.5);
  arena.constants[at.maxAbs] = 1e9;
  arena.gradients.forEach((_, i) => {
    arena.gradients[i] = Math.sin(i);
  });
  const k = simdKernel(arena, 0, undefined);
  const out: string[] = [];
  for (const name of ['check', 'squares', 'update'] as const) {
    const p = passes[name];
    const reps = 1e7 / n;
    for (let i = 0; i < reps; i++) k.run(p, 0, n);
    const times: number[] = [];
    for (let r = 0; r < 15; r++) {
      const t0 = performance.now();
      for (let i = 0; i < reps; i++) k.run(p, 0, n);
      times.push(((performance.now() - t0) * 1e6) / reps / n);
    }
    out.push(
      name +
        ' ' +
        times
          .sort((a, b) => a - b)
          .slice(0, 3)
          .map((t) => t.toFixed(3))
          .join(' '),
    );
  }
  console.log(n, out.join(' | '));
}
