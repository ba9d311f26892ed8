// What the tests of recordings have in common: a small model, seeded batches, folds, and directories that are gone afterwards.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, type Observable, tap, toArray } from 'rxjs';
import * as assert from 'uvu/assert';
import { digestOf } from '../../src/digest.ts';
import { type ErrorCode, GradwireError } from '../../src/errors.ts';
import { decodeGradients, encodeGradients } from '../../src/frames/gradients.ts';
import { encodeSnapshot } from '../../src/frames/snapshot.ts';
import type { Batch } from '../../src/gradients/batch.ts';
import { layout } from '../../src/layout.ts';
import type { RMSpropConfig } from '../../src/rmsprop/options/hyperparameters.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { Admitted } from '../../streams/operators/flow.ts';
import { snapshotOf } from '../../streams/operators/snapshot.ts';
import {
  foldFrom,
  type Journal,
  type RecordedBatch,
  type ReplayOptions,
  replay,
  type TornTail,
} from '../../streams/recordings/index.ts';

/** A model with a dense tensor and a table of rows. */
export const model = layout({ w: [3], table: [5, 2] });
export type Name = 'w' | 'table';

/** Hyper-parameters that are none of the defaults, and initial parameters. */
export const optimizer = { lr: 0.01, rho: 0.8, epsilon: 1e-6, decay: 0.1, initial: { w: Float32Array.of(1, -2, 0.5) } };

/** Batches with dense gradients, rows, or both; the same for the same seed. */
export function batches(count: number, seed: number = 1): Batch<Name>[] {
  let state = seed;
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const floats = (length: number): Float32Array => Float32Array.from({ length }, () => random() * 2 - 1);
  return Array.from({ length: count }, (_, i): Batch<Name> => {
    const table = { rows: Int32Array.of(i % 5, (i + 2) % 5).sort(), values: floats(4) };
    const gradients = i % 3 === 0 ? { w: floats(3) } : i % 3 === 1 ? { table } : { w: floats(3), table };
    return { gradients, base: Math.max(0, i - 1), examples: i + 1, loss: random(), producer: `w${i % 2}`, sequence: i + 1 };
  });
}

/** Batches as admission lets them through; the first becomes `firstVersion`. */
export function admitted(given: readonly Batch<Name>[], firstVersion: number = 1): Admitted<Name>[] {
  return given.map((batch, i) => {
    const identity = {
      producer: batch.producer ?? 'w',
      producerEpoch: 0,
      sequence: batch.sequence ?? i + 1,
      base: batch.base ?? 0,
    };
    const frame = encodeGradients(model, identity, batch);
    const { header, gradients: checked } = decodeGradients(frame, model);
    return { frame, header, checked, version: firstVersion + i, payload: digestOf(frame), answer: () => undefined };
  });
}

/** The digests of a fold of these batches, by version: the initial parameters' first. */
export function digestsOf(given: readonly Batch<Name>[], options: typeof optimizer = optimizer): string[] {
  const fold = new RMSprop(model, options);
  const digests = [fold.digest()];
  for (const batch of given) {
    fold.step(batch);
    digests.push(fold.digest());
  }
  return digests;
}

/** A snapshot of a fold, as a trainer writes it. */
export function snapshotFrame(
  { run, epoch, name, start }: Pick<Journal, 'run' | 'epoch' | 'name' | 'start'>,
  fold: RMSprop<Name>,
  examples: number = start.examples,
): Uint8Array {
  return encodeSnapshot(snapshotOf({ optimizer: fold }, { run, epoch, model: name, producers: start.producers, examples }));
}

/** All that an Observable emits. */
export function all<T>(source: Observable<T>): Promise<T[]> {
  return lastValueFrom(source.pipe(toArray()), { defaultValue: [] });
}

/** What a recording folds to. */
export interface Folded {
  readonly digest: string;
  readonly version: number;
  /** What each batch says beside its gradients, which a fold does not show. */
  readonly headers: readonly string[];
  readonly torn: readonly TornTail[];
}

const optimizers = new Map<string, RMSprop<Name>>();

/** One optimizer for each configuration: making thousands of WebAssembly memories takes longer than all the folds. */
function optimizerOf(config: RMSpropConfig): RMSprop<Name> {
  const key = JSON.stringify(config);
  const known = optimizers.get(key) ?? new RMSprop(model, config);
  optimizers.set(key, known);
  return known;
}

/** Folds a recording from its initial weights or a snapshot. */
export async function foldOf(path: string, options: ReplayOptions<Name> & { snapshot?: string } = {}): Promise<Folded> {
  const { snapshot, ...rest } = options;
  const start = await foldFrom<Name>(path, { snapshot });
  const fold = optimizerOf(start.optimizer);
  fold.restore(start.state);
  const torn: TornTail[] = [];
  const headers: string[] = [];
  const note = ({ checked, header, payload, run }: RecordedBatch<Name>): void => {
    fold.step(checked);
    headers.push(JSON.stringify({ ...header, payload, run }));
  };
  await all(replay<Name>(path, { ...rest, from: start.version, model, onTorn: (tail) => torn.push(tail) }).pipe(tap(note)));
  return { digest: fold.digest(), version: fold.version, headers, torn };
}

/** Awaits an error of that code (and text). */
export async function refusal(code: ErrorCode, doing: Promise<unknown>, text: RegExp = /./): Promise<GradwireError> {
  const error = await doing.then(
    () => assert.unreachable(`nothing was refused; expected ${code}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof GradwireError)) throw error;
  assert.is(error.code, code, `${error.message} instead of ${code}`);
  assert.match(error.text, text);
  return error;
}

const directories: string[] = [];

/** A new directory, or the path of one that is yet to be made. */
export function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'gradwire-recordings-'));
  directories.push(path);
  return path;
}

/** Removes the directories; for `test.after`. */
export function removeDirectories(): void {
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
}

/** The names in a directory that a pattern matches, sorted. */
export function names(path: string, pattern: RegExp): string[] {
  return existsSync(path)
    ? readdirSync(path)
        .filter((name) => pattern.test(name))
        .sort()
    : [];
}
