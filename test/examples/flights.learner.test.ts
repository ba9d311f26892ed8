// What a batch of flights teaches, against the gradient as it is defined.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { featuresPerFlight, weightCount } from '../../examples/flights/features.ts';
import { Learner } from '../../examples/flights/learner.ts';
import { Prequential } from '../../examples/flights/metrics.ts';
import { emptyFlights, type Flights } from '../../examples/flights/source.ts';

function flightsOf(all: readonly { features: readonly number[]; late: number }[]): Flights {
  const flights = emptyFlights(all.length);
  flights.count = all.length;
  for (const [i, { features, late }] of all.entries()) {
    flights.features.set(features, i * featuresPerFlight);
    flights.late[i] = late;
  }
  return flights;
}

const two = flightsOf([
  { features: [9, 8, 7, 6, 5, 4, 3], late: 1 },
  { features: [3, 20, 7, 30, 40, 50, 16_383], late: 0 },
]);

test('rows are strictly increasing and hold every feature of the batch once', () => {
  const { rows, values } = new Learner().learn(two, new Float32Array(weightCount), new Prequential());
  assert.equal([...rows], [3, 4, 5, 6, 7, 8, 9, 20, 30, 40, 50, 16_383]);
  assert.is(values.length, rows.length);
});

test('the gradient of a weight is the mean error of the flights that have it', () => {
  const { rows, values, loss } = new Learner().learn(two, new Float32Array(weightCount), new Prequential());
  const gradient = new Map([...rows].map((row, i) => [row, values[i]]));
  assert.is(gradient.get(9), -0.25); // (0.5 − 1) / 2
  assert.is(gradient.get(20), 0.25); // (0.5 − 0) / 2
  assert.is(gradient.get(7), 0); // both
  assert.ok(Math.abs(loss - Math.LN2) < 1e-12);
});

test('predictions come from the weights as they are', () => {
  const weights = new Float32Array(weightCount);
  weights[9] = 2;
  weights[3] = -1;
  const score = new Prequential();
  const { loss } = new Learner().learn(two, weights, score);
  assert.ok(Math.abs(loss - (Math.log1p(Math.exp(-1)) + Math.log1p(Math.exp(-1))) / 2) < 1e-12);
  assert.is(score.flights, 2);
});

test('a feature that occurs twice in one flight counts twice', () => {
  const flights = flightsOf([{ features: [1, 1, 2, 3, 4, 5, 6], late: 0 }]);
  const { rows, values } = new Learner().learn(flights, new Float32Array(weightCount), new Prequential());
  assert.equal([...rows], [1, 2, 3, 4, 5, 6]);
  assert.equal([...values], [1, 0.5, 0.5, 0.5, 0.5, 0.5]);
});

test('nothing of one batch is left in the next', () => {
  const learner = new Learner();
  const weights = new Float32Array(weightCount);
  const first = learner.learn(two, weights, new Prequential());
  const again = learner.learn(two, weights, new Prequential());
  assert.equal(again.rows, first.rows);
  assert.equal(again.values, first.values);
});

test('a short last batch is a mean over its own flights', () => {
  const flights = emptyFlights(64);
  flights.count = 1;
  flights.features.set([1, 2, 3, 4, 5, 6, 7]);
  const { rows, values } = new Learner().learn(flights, new Float32Array(weightCount), new Prequential());
  assert.equal([...rows], [1, 2, 3, 4, 5, 6, 7]);
  assert.ok(values.every((value) => value === 0.5));
});

test.run();
