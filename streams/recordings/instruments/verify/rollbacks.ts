// The rollbacks of a recording: each state that is brought back, compared with what the recording folds to at that version.
import { basename } from 'node:path';
import { GradwireError } from '../../../../src/errors.ts';
import { Rollback } from '../../../../src/rmsprop/state/rollback.ts';
import { restore } from '../restore.ts';
import type { Finding } from './findings.ts';
import { stateDifference } from './fold.ts';
import type { CheckedRecord } from './records.ts';
import type { Survey } from './survey.ts';

/** What was found of a recording's rollbacks. */
export class RollbackChecks {
  readonly findings: Finding[] = [];
  readonly unproved: string[] = [];
  /** Rollbacks whose state is that of the version they name, to the bit. */
  equal = 0;
  readonly #path: string;

  constructor({ whole, directory, segments, count }: Survey) {
    this.#path = whole ? directory : (segments[count - 1]?.path ?? directory);
  }

  /** Looks at a record; nothing is said of one that is no rollback. It folds up to the version gone back to once more. */
  async check({ gradients, stamp: { version } }: CheckedRecord, path: string): Promise<void> {
    if (!(gradients instanceof Rollback)) return;
    const { to, state } = gradients;
    const difference = await this.#differenceAt(to, state).catch((error: unknown) => {
      if (!(error instanceof GradwireError)) throw error;
      this.unproved.push(`that the rollback of version ${version} is to the state of version ${to}: ${error.text}`);
    });
    if (difference === null) this.equal += 1;
    if (typeof difference !== 'string') return;
    const text = `the rollback brings back another state than that of version ${to}: ${difference}`;
    this.findings.push({ severity: 'damage', file: basename(path), version, code: 'E_RECORDING_CORRUPT', text });
  }

  async #differenceAt(to: number, state: Rollback['state']): Promise<string | null> {
    const expected = await restore(this.#path, { version: to });
    return stateDifference(state, expected.state) ?? null;
  }
}
