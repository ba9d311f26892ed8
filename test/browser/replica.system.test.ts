// The bundled client in a real browser follows a real trainer, bit for bit, through cuts.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, digestOf } from '../../src/digest.ts';
import { Stand } from '../sockets/stand.ts';
import { browser, runInBrowser } from '../support/browser.ts';
import { needs } from '../support/needs.ts';
import { ChaosProxy } from '../support/proxy.ts';
import type { Told } from './replica.ts';

const inBrowser = needs(test, browser, 'chromium');
const version = 1000;

inBrowser(
  'a page holds a trainer’s weights bit for bit, cut off and resumed, all or some of them, and pushes a batch',
  async () => {
    const stand = await Stand.start({ closeMs: 100 });
    const proxy = await ChaosProxy.start(stand.server.port);
    let cuts = 0;
    const stepping = setInterval(() => {
      // not before somebody follows, so that there is something to cut
      if (stand.server.replicas.length < 2 || stand.version() >= version) return;
      for (let i = 0; i < 10; i++) stand.step();
      if (stand.version() % 250 !== 0 || stand.version() === version) return;
      proxy.cut('reset');
      cuts += 1;
    }, 2);
    try {
      const options = { socketPort: proxy.port, deadlineMs: 35_000 };
      const told = (await runInBrowser('test/browser/replica.ts', { version, tensor: 'dense/bias' }, options)) as Told;
      assert.equal(told.stamp, { run: 'run-1', epoch: 1, version });
      assert.is(told.digest, stand.digests[version]);
      assert.equal([told.counts.reset, told.counts.troubles], [0, 0]);
      assert.ok(cuts === 3 && told.counts.resumed >= 1, `${cuts} cuts, ${told.counts.resumed} resumed`);
      assert.is(told.pushed, version + 1);
      assert.equal(told.some[1], ['dense/bias']);
      assert.not.equal(
        told.some[0],
        digestOf(bytesOf(stand.published.weights.get('dense/bias'))),
        'control: the push changed them',
      );
    } finally {
      clearInterval(stepping);
      await stand.close();
      await proxy.close();
    }
  },
);

test.run();
