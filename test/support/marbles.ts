// Marble diagrams on RxJS' TestScheduler, compared with uvu's assert.
import { TestScheduler } from 'rxjs/testing';
import * as assert from 'uvu/assert';

type Run = Parameters<TestScheduler['run']>[0];

/** Runs a marble test in virtual time. */
export function marbles(body: Run): void {
  new TestScheduler((actual, expected) => assert.equal(actual, expected)).run(body);
}
