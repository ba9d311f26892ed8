// The check that every gradient passes, and the sum that comes with it: both kernels, every place.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout } from '../../src/layout.ts';
import { makeArena } from '../../src/rmsprop/kernel/arena.ts';
import { at, passes } from '../../src/rmsprop/kernel/control.ts';
import { scalarKernel, simdKernel } from '../../src/rmsprop/kernel/kernel.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { chance } from '../support/random.ts';

test('a check finds the first float above maxAbs, infinity and NaN at every place, whichever sum it makes', () => {
  const length = 131;
  const arena = makeArena(layout({ w: [length] }), {
    centered: false,
    momentum: false,
    average: false,
    gradientSum: false,
    shared: false,
  });
  const { gradients, constants } = arena;
  const random = chance(5);
  // the squares of the last two vanish in float32
  for (const limit of [1e9, 1, 1e-18, 1e-25, 1e-44].map(Math.fround)) {
    constants[at.maxAbs] = limit;
    const above = Float32Array.of(limit);
    new Int32Array(above.buffer)[0] += 1;
    for (const which of [passes.check, passes.check | passes.squares])
      for (const kernel of [scalarKernel(arena, 0), simdKernel(arena, 0, undefined)])
        for (let place = 0; place < length; place++) {
          for (let i = 0; i < length; i++) gradients[i] = (random() - 0.5) * limit * 1e-3;
          gradients[place] = -limit;
          assert.not.ok(Number.isNaN(kernel.run(which, 0, length)), `${limit} at ${place}`);
          for (const bad of [above[0], -above[0], Number.NaN, Number.POSITIVE_INFINITY]) {
            gradients[place] = bad;
            assert.ok(Number.isNaN(kernel.run(which, 0, length)), `${bad} at ${place}, limit ${limit}`);
          }
        }
  }
});

test('a norm that is only told is summed in float32: the same bits from both kernels, within 1e-5 however small the values are', () => {
  const model = layout({ w: [9000] });
  const random = chance(6);
  const kernels = (['simd', 'scalar'] as const).map((kernel) => new RMSprop(model, { kernel }));
  let differ = 0;
  // squares are in range, lose bits, and are 0 in float32; the last values have lost bits themselves
  for (const size of [1e6, 1, 1e-15, 1e-18, 3e-20, 6e-21, 1e-22, 1e-30, 1e-42])
    for (const length of [1, 15, 16, 17, 63, 64, 65, 4096, 4097, 9000]) {
      const w = new Float32Array(9000);
      for (let i = 0; i < length; i++) w[i] = (random() - 0.3) * size;
      const exact = Math.fround(Math.sqrt(w.reduce((sum, g) => sum + g * g, 0)));
      const [found, scalar] = kernels.map((optimizer) => optimizer.step({ w }).gradientNorm);
      assert.is(found, scalar, `${length} values of ${size}`);
      assert.ok(Math.abs(found - exact) <= 1e-5 * exact, `${length} values of ${size}: ${found}, exactly ${exact}`);
      if (found !== exact) differ += 1;
    }
  // the control: it is another sum than that of a clip
  assert.ok(differ > 0);
});

test('the norm of updates whose squares vanish is 0 from both kernels', () => {
  const model = layout({ w: [40] });
  for (const kernel of ['simd', 'scalar'] as const) {
    const optimizer = new RMSprop(model, { kernel, lr: 1e-30 });
    const { updateNorm } = optimizer.step({ w: new Float32Array(40).fill(1) });
    assert.is(updateNorm, 0);
    assert.ok(optimizer.parameters.get('w').every((p) => p < 0));
  }
});

test.run();
