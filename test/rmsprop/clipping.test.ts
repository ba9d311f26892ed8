// Which tensors are scaled down where a norm meets its limit exactly, and which are left alone.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clippingOf, type Scaling } from '../../src/rmsprop/fold/clipping.ts';
import type { Part } from '../../src/rmsprop/options/groups.ts';
import type { Hyperparameters } from '../../src/rmsprop/options/hyperparameters.ts';

/** Scalings of two tensors of norms 5 and 3, in the options' words; `limits` are the tensors' own. */
function clip(options: object, limits: readonly number[], keys: readonly number[] = [-1, -1]): unknown {
  const all = { clipnorm: 0, globalClipnorm: 0, groups: [], ...options } as unknown as Hyperparameters;
  const tensors = limits.map((clipnorm, i) => ({ part: { clipnorm, normOf: keys[i] } as unknown as Part, sum: [25, 9][i] }));
  return clippingOf(all)?.(tensors);
}

const of = (limit: number, norm: number): Scaling => ({ limit, norm });

test('nothing is asked about scalings where neither the options nor a group has a limit', () => {
  for (const preset of ['keras2', 'keras3'])
    for (const groups of [[], [{}], [{ clipnorm: 0 }, {}]]) assert.is(clip({ preset, groups }, [0, 0]), undefined);
});

test('a limit of one group alone is kept, whatever the other groups say', () => {
  assert.equal(clip({ preset: 'keras2', groups: [{}, { clipnorm: 1 }] }, [1, 0], [0, -1]), [of(1, 5), undefined]);
  assert.equal(clip({ preset: 'tf1', groups: [{ clipnorm: 1 }, {}] }, [0, 1]), [undefined, of(1, 3)]);
  assert.equal(clip({ preset: 'tf1', clipnorm: 1 }, [1, 0]), [of(1, 5), undefined]);
});

test('a norm equal to its limit is scaled by Keras 2 and by nobody else', () => {
  assert.equal(clip({ preset: 'keras2', clipnorm: 5 }, [5, 5], [0, 1]), [of(5, 5), undefined]);
  for (const preset of ['keras3', 'tf1']) assert.equal(clip({ preset, clipnorm: 5 }, [5, 2]), [undefined, of(2, 3)]);
  const both = Math.fround(Math.sqrt(34));
  assert.is(clip({ preset: 'optax', globalClipnorm: both }, [0, 0]), undefined);
  assert.equal(clip({ preset: 'optax', globalClipnorm: 5 }, [0, 0]), [of(5, both), of(5, both)]);
});

test.run();
