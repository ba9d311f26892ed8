// How the stream is handed out to the workers.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Cursor, type Range } from '../../examples/support/cursor.ts';

function all(cursor: Cursor): Range[] {
  const ranges: Range[] = [];
  for (let range = cursor.next(); range !== undefined; range = cursor.next()) ranges.push(range);
  return ranges;
}

test('ranges follow each other without a gap and end at the limit', () => {
  const ranges = all(new Cursor({ total: 100, position: 10, limit: 25, rangeLength: 10 }));
  assert.equal(ranges, [
    { start: 10, count: 10, pass: 0 },
    { start: 20, count: 10, pass: 0 },
    { start: 30, count: 5, pass: 0 },
  ]);
});

test('at the end of the data the stream begins again, and no range runs over it', () => {
  const ranges = all(new Cursor({ total: 100, position: 95, limit: 20, rangeLength: 10 }));
  assert.equal(ranges, [
    { start: 95, count: 5, pass: 0 },
    { start: 0, count: 10, pass: 1 },
    { start: 10, count: 5, pass: 1 },
  ]);
});

test('after stop nothing is handed out', () => {
  const cursor = new Cursor({ total: 100, position: 0, limit: 50, rangeLength: 10 });
  cursor.next();
  cursor.stop();
  assert.is(cursor.next(), undefined);
});

test.run();
