// What a run says about itself, word by word.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Prequential } from '../../examples/flights/metrics.ts';
import type { Position } from '../../examples/flights/replicas.ts';
import { allEqual, summarize } from '../../examples/flights/summary.ts';
import { liveLines, plainLine, timeLeft, type View } from '../../examples/flights/view.ts';

const files = { digest: 'aa', recording: 'runs/r.mcap', snapshot: 'runs/s.safetensors' };

function viewWith(replicas: readonly Position[], changes: Partial<View> = {}): View {
  const total = new Prequential();
  total.add(0.75, 1);
  total.add(0.25, 0);
  return {
    seconds: 12.34,
    flights: 1_500_000,
    expected: 3_000_000,
    flightsPerSecond: 100_000,
    batchesPerSecond: 1562.5,
    version: 23_438,
    total,
    latest: total,
    stalenessMean: 5.06,
    stalenessMax: 1_031,
    replicas,
    ...changes,
  };
}

test('the live lines say speed, score, staleness, and where each replica is', () => {
  const lines = liveLines(
    viewWith([
      { name: 'replica 1', version: 23_430, lag: 8 },
      { name: 'replica 2', lag: 0 },
    ]),
  );
  assert.equal(lines, [
    ['speed', '100,000 flights/s   1,563 batches/s   version 23,438'],
    ['all', 'AUC 1.0000   log loss 0.2877   over 2 flights'],
    ['latest', 'AUC 1.0000   log loss 0.2877   over 2 flights'],
    ['staleness', 'mean 5.1   max 1,031 batches'],
    ['replica 1', 'version 23,430   lag 8'],
    ['replica 2', 'joining'],
  ]);
});

test('many replicas share one line', () => {
  const replicas = Array.from({ length: 6 }, (_, i) => ({ name: `replica ${i + 1}`, version: 100 + i, lag: i }));
  const [label, text] = liveLines(viewWith(replicas))[4];
  assert.is(label, 'replicas');
  assert.is(text, '6 live   version 100 to 105   lag mean 2.5, max 5');
});

test('without a terminal one line says the same', () => {
  assert.is(
    plainLine(viewWith([{ name: 'replica 1', version: 23_430, lag: 8 }])),
    '12 s, 1,500,000 flights (50 %), 100,000 flights/s, 1,563 batches/s, version 23,438, AUC 1.0000 (latest 1.0000), ' +
      'log loss 0.2877 (latest 0.2877), staleness mean 5.1 max 1,031, replica 1 23,430 lag 8',
  );
});

test('before the first flight numbers that do not exist are dashes', () => {
  const none = new Prequential();
  const view = viewWith([], { flights: 0, flightsPerSecond: Number.NaN, total: none, latest: none, stalenessMean: Number.NaN });
  assert.is(liveLines(view)[1][1], 'AUC –   log loss –   over 0 flights');
  assert.is(timeLeft(view), '–');
});

test('the time left follows from the speed', () => {
  assert.is(timeLeft(viewWith([])), '0:15');
  assert.is(timeLeft(viewWith([], { flightsPerSecond: 10_000 })), '2:30');
});

test('the summary has the digests of all replicas, and they are equal only if none is missing or another', () => {
  const replica = { name: 'replica 1', version: 23_438, lag: 0 };
  const equal = summarize(viewWith([{ ...replica, digest: 'aa' }]), files);
  assert.equal(equal, {
    flights: 1_500_000,
    seconds: 12.34,
    auc: 1,
    logLoss: 0.287682,
    version: 23_438,
    digest: 'aa',
    replicas: [{ version: 23_438, digest: 'aa' }],
    recording: 'runs/r.mcap',
    snapshot: 'runs/s.safetensors',
  });
  assert.is(allEqual(equal), true);
  assert.is(allEqual(summarize(viewWith([{ ...replica, digest: 'bb' }]), files)), false);
  assert.is(allEqual(summarize(viewWith([replica]), files)), false);
  assert.is(allEqual(summarize(viewWith([]), files)), true);
});

test.run();
