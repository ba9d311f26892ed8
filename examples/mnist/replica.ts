// The replica process: tests the weights on the test digits as they arrive, and says what it holds when the trainer has ended.

import { connect } from 'gradwire/sockets';
import { assignTo } from 'gradwire/tfjs';
import { asyncScheduler, filter, firstValueFrom, startWith, tap, throttleTime } from 'rxjs';
import { runChild, tell } from '../support/child.ts';
import { loadTensorFlow } from '../support/load-tensorflow.ts';
import { readDigits } from './digits.ts';
import type { ReplicaMessage, ReplicaQuestion, Score } from './messages.ts';
import { accuracyOf, examplesOf, network } from './network.ts';

const [url, scoreEveryText] = process.argv.slice(2);

runChild(async () => {
  const { tf } = await loadTensorFlow();
  const model = network(tf, 0);
  const digits = readDigits('test');
  const { xs, ys } = examplesOf(
    tf,
    digits,
    Array.from({ length: digits.count }, (_, i) => i),
  );
  ys.dispose();
  const replica = connect(url);
  const counted = { updates: 0, updateBytes: 0 };
  // without those that bring what an encoding dropped once all is quiet
  replica.updates$.pipe(filter(({ kind, from, version }) => kind === 'update' && from !== version)).subscribe(({ frame }) => {
    counted.updates += 1;
    counted.updateBytes += frame.byteLength;
  });
  await replica.ready;

  /** In one synchronous turn with what assigned the weights, so that all of it is of one version. */
  const score = (): Score => ({ version: replica.version, accuracy: accuracyOf(tf, model, xs, digits), ...counted });
  const scoring = replica.updates$
    .pipe(
      startWith(replica),
      throttleTime(Number(scoreEveryText), asyncScheduler, { leading: true, trailing: true }),
      assignTo(tf, model),
      tap(() => tell<ReplicaMessage>({ type: 'score', score: score() })),
    )
    .subscribe();

  async function finish(): Promise<void> {
    // the trainer's last update has come before the end of the connection
    await firstValueFrom(replica.status$.pipe(filter(({ state }) => state !== 'live')));
    scoring.unsubscribe();
    await firstValueFrom(replica.updates$.pipe(startWith(replica), assignTo(tf, model)));
    const last = score();
    const digest = replica.digest();
    await replica.close();
    tell<ReplicaMessage>({ type: 'final', score: last, digest });
  }

  process.on('message', (question: ReplicaQuestion) => {
    if (question.type === 'finish') void finish();
  });
});
