// A page in a real browser follows 10,000 updates in each encoding, bit for bit: through cuts, sleeps of its tab and deaths of its trainer.
// watchdog: 300 s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type EncodingName, encodingNames } from '../../src/encodings/names.ts';
import { browser } from '../support/browser.ts';
import { figure } from '../support/figures.ts';
import { needs } from '../support/needs.ts';
import { seed } from '../support/random.ts';
import { Browser } from '../support/tabs.ts';
import { faultsIn } from './history.ts';
import { Ride, type RideOptions } from './ride.ts';
import { foldedDigest } from './trained.ts';

const updates = 10_000;

const test = suite<{ opened?: Browser }>('a page that follows');
const inBrowser = needs(test, browser, 'chromium');
test.before(async (context) => {
  context.opened = await Browser.open();
});
test.after(async ({ opened }) => {
  await opened?.close();
});

async function withRide(options: Omit<RideOptions, 'browser'>, opened: Browser | undefined, body: (ride: Ride) => Promise<void>) {
  const ride = await Ride.start({ browser: opened as Browser, ...options });
  try {
    await body(ride);
  } finally {
    await ride.close();
  }
}

/** All that may happen, once each; eight cuts, five sleeps and three kills of the trainer in all. */
async function endure(ride: Ride): Promise<void> {
  await ride.step();
  for (let i = 0; i < 2; i++) {
    await ride.cut('reset');
    await ride.sleep(500);
    await ride.cut('end');
    await ride.kill();
    await ride.cut('reset');
    await ride.step();
  }
  await ride.sleep(() => ride.kill());
  await ride.cut('end');
  await ride.sleepThroughCut();
}

for (const encoding of encodingNames) {
  inBrowser(`a page follows ${updates} updates in ${encoding}, and has the trainer’s bits at each of them`, ({ opened }) =>
    withRide({ encoding }, opened, async (ride) => {
      const startMs = performance.now();
      await endure(ride);
      for (let { updates: made } = await ride.progress(); made < updates; { updates: made } = await ride.progress())
        await ride.step(Math.min(200, updates - made));
      await ride.became(foldedDigest(ride.version));
      const { history, published } = await ride.told();
      assert.equal(faultsIn(history, published), [], `seed ${seed}`);
      const { counts, ...progress } = await ride.progress();
      const { cuts, sleeps, restarts } = ride.events;
      console.log(ride.version, progress, counts, ride.events, history.length, performance.now() - startMs);
      figure(`${encoding}: ${progress.updates} updates`);
    }),
  );
}

test.run();
