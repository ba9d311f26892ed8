// A page in a real browser follows 10,000 updates in each encoding, bit for bit: through cuts, sleeps of its tab and deaths of its trainer.
// watchdog: 400 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodingNames } from '../../src/encodings/names.ts';
import { browser } from '../support/browser.ts';
import { Chromium } from '../support/chromium.ts';
import { figure } from '../support/figures.ts';
import { needs } from '../support/needs.ts';
import { seed } from '../support/random.ts';
import type { Applied } from './following.ts';
import { faultsIn } from './history.ts';
import { Ride, type RideOptions } from './ride.ts';

const updates = 10_000;

const test = suite<{ opened?: Chromium }>('a page that follows');
const inBrowser = needs(test, browser, 'chromium');
test.before(async (context) => {
  context.opened = await Chromium.open();
});
test.after(async ({ opened }) => {
  await opened?.close();
});

async function withRide(
  options: Omit<RideOptions, 'browser'>,
  { opened }: { opened?: Chromium },
  body: (ride: Ride) => Promise<void>,
): Promise<void> {
  const ride = await Ride.start({ browser: opened as Chromium, ...options });
  try {
    await body(ride);
  } finally {
    await ride.close();
  }
}

/** Everything that a page has to live through. */
async function endure(ride: Ride): Promise<void> {
  await ride.step();
  for (let i = 0; i < 3; i++) {
    await ride.cut('reset');
    await ride.step();
    await ride.cut('end');
  }
  await ride.sleep(500);
  await ride.kill();
  await ride.cut('reset');
  await ride.killIdle();
  await ride.sleep(() => ride.kill());
  await ride.cut('end');
  await ride.sleepThroughCut();
}

for (const encoding of encodingNames) {
  inBrowser(`a page follows ${updates} updates in ${encoding}, and holds the trainer’s bits at each of them`, (context) =>
    withRide({ encoding }, context, async (ride) => {
      await endure(ride);
      for (let missing = 1; missing > 0; missing = updates - (await ride.progress()).updates)
        await ride.step(Math.min(200, missing));
      await ride.settled();
      const { history, published } = await ride.told();
      assert.equal(faultsIn(history, published), [], `seed ${seed}`);
      const { updates: applied, counts } = await ride.progress();
      assert.is(applied, updates);
      const { check, digest, gap, fork, epoch, frame } = counts.faults;
      assert.equal([check, digest, gap, epoch, frame], [0, 0, 0, 0, 0]);
      const { cuts, sleeps, restarts } = ride.events;
      assert.equal([cuts, sleeps, restarts], [9, 3, 3]);
      figure(
        `${encoding}: ${applied} updates in a page, ${history.length} digests compared, ${cuts} cuts, ${sleeps} sleeps, ${restarts} kills; resumed ${counts.resumed}, reset ${counts.reset} (diverged ${fork})`,
      );
    }),
  );
}

inBrowser('a bit that flips on its way to the page is found by it, and never shows in its weights', (context) =>
  withRide({ encoding: 'f32', message: 100 }, context, async (ride) => {
    await ride.step(300);
    const { history, published } = await ride.told();
    assert.equal(faultsIn(history, published), []);
    const { counts, updates: applied } = await ride.progress();
    assert.equal([counts.faults.check, counts.resumed, counts.reset, applied], [1, 1, 0, 300]);
  }),
);

inBrowser(
  'control: a bit that flips in the weights a page holds is seen at that version, and mended by the next digest',
  (context) =>
    // its row is not touched again before the digest of version 256
    withRide({ encoding: 'f32', heldAt: 251 }, context, async (ride) => {
      await ride.step(300);
      await ride.settled();
      const { history, published } = await ride.told();
      const faults = faultsIn(history, published);
      assert.match(faults[0], /^251: update 251 of epoch 1: [0-9a-f]{16} in place of [0-9a-f]{16}$/);
      // the update of version 256 is found wrong once it is applied, and all weights come in its place
      assert.is(faults.length, 256 - 251);
      const { counts } = await ride.progress();
      assert.equal([counts.faults.digest, counts.reset], [1, 0]);
    }),
);

test('control: a history with a version left out, repeated, taken back or of other weights is refused', () => {
  const update = (version: number, digest = `d${version}`): Applied => ({ kind: 'update', epoch: 1, version, digest });
  const published = new Map([0, 1, 2, 3].map((version) => [`1 ${version}`, [`d${version}`]]));
  const start: Applied = { ...update(0), kind: 'weights' };
  const late: Applied = { ...update(3), kind: 'weights' };
  assert.equal(faultsIn([start, update(1), update(2), update(3)], published), []);
  assert.equal(faultsIn([start, update(1), late], published), []);
  assert.equal(faultsIn([start, update(1), update(3)], published), ['2: update 3 of epoch 1: an update after 1']);
  assert.equal(faultsIn([start, update(1), update(1)], published), ['2: update 1 of epoch 1: an update after 1']);
  assert.equal(faultsIn([late, start], published), ['1: weights 0 of epoch 1: after 3 of epoch 1']);
  assert.equal(faultsIn([start, update(1, 'd2')], published), ['1: update 1 of epoch 1: d2 in place of d1']);
  assert.equal(faultsIn([update(1)], published), ['0: update 1 of epoch 1: it comes first']);
  // what settles is told of at its own version
  const settled = new Map([...published, ['1 1', ['d1', 's1']]]);
  assert.equal(faultsIn([start, update(1), update(1, 's1'), update(1, 's1'), update(2)], settled), []);
});

test.run();
