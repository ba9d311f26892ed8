// The real data, read from its package.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { featuresPerFlight, hashed } from '../../examples/flights/features.ts';
import { emptyFlights, FlightSource, flightCount } from '../../examples/flights/source.ts';

const rowGroup = 272_727;
const origin = (features: Int32Array, i: number): number => features[i * featuresPerFlight];

test('the first flight is the 00:01 from Las Vegas to Philadelphia on 1 January 2001, 33 minutes late', async () => {
  const flights = emptyFlights(2);
  await new FlightSource().read(0, 1, flights);
  assert.is(flights.count, 1);
  const texts = ['origin=LAS', 'destination=PHL', 'pair=LAS-PHL', 'hour=0', 'weekday=1', 'day=11323', 'distance=21'];
  assert.equal([...flights.features.subarray(0, featuresPerFlight)], texts.map(hashed));
  assert.is(flights.late[0], 1);
});

test('a batch over the border of two row groups is the end of one and the start of the next', async () => {
  const source = new FlightSource();
  const [across, before, after] = [emptyFlights(4), emptyFlights(2), emptyFlights(2)];
  await source.read(rowGroup - 2, 2, before);
  assert.is(await source.read(rowGroup - 2, 4, across), true, 'it decoded the next row group');
  assert.is(await source.read(rowGroup, 2, after), false, 'and keeps it');
  assert.equal([...across.features], [...before.features, ...after.features]);
  assert.equal([...across.late], [...before.late, ...after.late]);
  assert.ok(origin(across.features, 3) >= 0);
});

test('beyond the last flight there is a clear error', async () => {
  const flights = emptyFlights(2);
  try {
    await new FlightSource().read(flightCount - 1, 2, flights);
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), 'flight 3000000 is beyond the 3000000 flights of');
  }
});

test.run();
