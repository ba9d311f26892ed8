// How a drawing becomes a digit of MNIST, on real ones: enlarged, moved, and made small again.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Ink, preprocess, side } from '../../examples/browser/page/preprocess.ts';
import { readDigits } from '../../examples/mnist/digits.ts';
import { pixelCount } from '../../examples/mnist/network.ts';

const digits = readDigits('test');

/** A test digit on a large canvas, each of its pixels a square of `scale`, `left` and `top` from the corner. */
function drawn(i: number, { scale, left = 0, top = 0 }: { scale: number; left?: number; top?: number }): Ink {
  const width = 560;
  const values = new Uint8Array(width * width);
  for (let y = 0; y < side * scale; y++)
    for (let x = 0; x < side * scale; x++)
      values[(y + top) * width + x + left] = digits.pixels[i * pixelCount + Math.floor(y / scale) * side + Math.floor(x / scale)];
  return { width, height: width, values };
}

function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, each, i) => sum + Math.abs(each - b[i]), 0) / a.length;
}

test('a digit of MNIST that is drawn large comes out as it is in MNIST', () => {
  for (let i = 0; i < 50; i++) {
    const there = Array.from(digits.pixels.subarray(i * pixelCount, (i + 1) * pixelCount), (value) => value / 255);
    const next = Array.from(digits.pixels.subarray((i + 1) * pixelCount, (i + 2) * pixelCount), (value) => value / 255);
    const made = preprocess(drawn(i, { scale: 12 })) ?? [];
    assert.ok(meanDifference(made, there) < 0.002, `digit ${i}: ${meanDifference(made, there)}`);
    assert.ok(meanDifference(made, next) > 0.06, `control: digit ${i} is not the next one: ${meanDifference(made, next)}`);
  }
});

test('where and how large it is drawn makes no difference', () => {
  for (let i = 0; i < 10; i++) {
    const here = preprocess(drawn(i, { scale: 8 })) ?? [];
    assert.ok(meanDifference(here, preprocess(drawn(i, { scale: 8, left: 300, top: 11 })) ?? []) < 1e-6);
    assert.ok(meanDifference(here, preprocess(drawn(i, { scale: 20 })) ?? []) < 1e-6);
  }
});

test('20 pixels are at its longer side, and its centre of mass is in the middle', () => {
  const width = 100;
  const values = Uint8Array.from({ length: width * width }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return x >= 60 && x < 70 && y >= 5 && y < 45 ? 255 : 0;
  });
  const made = preprocess({ width, height: width, values }) ?? new Float32Array();
  const inked = [...made.entries()].filter(([, value]) => value > 0).map(([i]) => [i % side, Math.floor(i / side)]);
  assert.equal([Math.min(...inked.map(([x]) => x)), Math.max(...inked.map(([x]) => x))], [12, 16]);
  assert.equal([Math.min(...inked.map(([, y]) => y)), Math.max(...inked.map(([, y]) => y))], [5, 24]);
  assert.is(made[14 * side + 14], 1);
});

test('where nothing is drawn there is no digit; a dot is one', () => {
  assert.is(preprocess({ width: 3, height: 3, values: new Uint8Array(9) }), undefined);
  const dot = preprocess({ width: 3, height: 3, values: Uint8Array.from({ length: 9 }, (_, i) => (i === 4 ? 255 : 0)) });
  assert.equal([dot?.length, dot?.[14 * side + 14]], [pixelCount, 1]);
});

test.run();
