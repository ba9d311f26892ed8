// The layout: order, offsets, limits.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layout, sameLayout } from '../src/layout.ts';
import { refused } from './support/refused.ts';

test('a layout places tensors one after the other, in the order in which they are named', () => {
  const model = layout({ 'dense/kernel': [784, 10], 'dense/bias': [10], scale: [] });
  assert.equal(
    model.tensors.map(({ name, offset, length, rows, rowLength }) => [name, offset, length, rows, rowLength]),
    [
      ['dense/kernel', 0, 7840, 784, 10],
      ['dense/bias', 7840, 10, 10, 1],
      ['scale', 7850, 1, 1, 1],
    ],
  );
  assert.is(model.length, 7851);
  assert.is(model.byteLength, 7851 * 4);
});

test('a layout survives JSON, integer-like names and a tensor named __proto__ included', () => {
  const model = layout([
    ['b', [2]],
    ['10', [1]],
    ['9', [3]],
    ['__proto__', [4]],
  ]);
  assert.equal(
    model.tensors.map(({ name }) => name),
    ['9', '10', 'b', '__proto__'],
  );
  const again = layout(JSON.parse(JSON.stringify(model)) as Record<string, number[]>);
  assert.ok(sameLayout(model, again));
  assert.not(sameLayout(model, layout({ b: [2] })));
});

test('names and shapes that no frame could carry are refused', () => {
  for (const name of ['', 'a#b', 'a\nb', '\ud800', '__metadata__', 'é'.repeat(129)])
    refused('E_LAYOUT', () => layout({ [name]: [1] }));
  for (const shape of [[0], [-1], [1.5], [2 ** 60], [1, 1, 1, 1, 1, 1, 1, 1, 1]]) refused('E_LAYOUT', () => layout({ w: shape }));
  refused('E_LAYOUT', () => layout({ w: [2 ** 14, 2 ** 14], v: [1] }));
  refused('E_LAYOUT', () => layout(Array.from({ length: 10_001 }, (_, i) => [`w${i}`, [1]] as const)));
  refused('E_LAYOUT', () => layout('w' as never));
});

test('a layout cannot be changed', () => {
  const model = layout({ w: [2, 3] });
  assert.throws(() => ((model.tensors[0].shape as number[])[0] = 9));
  assert.throws(() => ((model as { length: number }).length = 9));
});

test.run();
