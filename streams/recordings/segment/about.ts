// What a segment says about itself: MCAP metadata records with a check of their own, since MCAP gives them none.
import { digestOf } from '../../../src/digest.ts';
import { GradwireError, quote } from '../../../src/errors.ts';
import { type Layout, layout } from '../../../src/layout.ts';
import type { RMSpropConfig } from '../../../src/rmsprop/options/hyperparameters.ts';
import { hyperparametersOf } from '../../../src/rmsprop/options/options.ts';
import { library } from './library.ts';

/** The version of the recording's format that this release writes and reads. */
const recordingFormat = '1';

/** Epochs of a run with the first version of each, in order. */
export type Epochs = readonly (readonly [epoch: number, firstVersion: number])[];

/** What stands at the start of every segment. */
export interface About {
  readonly run: string;
  readonly epoch: number;
  /** All epochs of the run up to this segment's. */
  readonly epochs: Epochs;
  /** The version that the segment's first record makes. */
  readonly firstVersion: number;
  /** The model's name. */
  readonly name: string;
  readonly model: Layout;
  readonly optimizer: RMSpropConfig;
}

/** What stands at the end of a segment that was closed. */
export interface Ending {
  readonly run: string;
  readonly epoch: number;
  readonly lastVersion: number;
  /** Whether the same writer went on in another segment: where none is there, it is lost. */
  readonly continues: boolean;
}

/** The names of the two metadata records. */
export const aboutName = 'gradwire';
export const endingName = 'gradwire.end';

type Fields = ReadonlyMap<string, string>;

/** The fields of the metadata record at a segment's start. */
export function aboutFields({ run, epoch, epochs, firstVersion, name, model, optimizer }: About): Map<string, string> {
  return checked([
    ['format', recordingFormat],
    ['run', run],
    ['epoch', String(epoch)],
    ['epochs', JSON.stringify(epochs)],
    ['firstVersion', String(firstVersion)],
    ['model', name],
    ['layout', JSON.stringify(model)],
    ['optimizer', JSON.stringify(optimizer)],
    // the header has no CRC: this is its witness
    ['library', library],
  ]);
}

/** Reads the fields back. Throws `E_FORMAT` for a format of a newer release, an Error where the fields are not those that were written. */
export function readAbout(fields: Fields): About {
  demandCheck(fields);
  const optimizer: RMSpropConfig = JSON.parse(text(fields, 'optimizer'));
  hyperparametersOf(optimizer);
  return {
    run: text(fields, 'run'),
    epoch: count(fields, 'epoch'),
    epochs: JSON.parse(text(fields, 'epochs')),
    firstVersion: count(fields, 'firstVersion'),
    name: text(fields, 'model'),
    model: layout(JSON.parse(text(fields, 'layout'))),
    optimizer,
  };
}

/** The fields of the metadata record that closes a segment. */
export function endingFields({ run, epoch, lastVersion, continues }: Ending): Map<string, string> {
  return checked([
    ['format', recordingFormat],
    ['run', run],
    ['epoch', String(epoch)],
    ['lastVersion', String(lastVersion)],
    ...(continues ? [['continues', 'true'] as const] : []),
  ]);
}

/** Reads the fields back. Throws as {@link readAbout} does. */
export function readEnding(fields: Fields): Ending {
  demandCheck(fields);
  const continues = fields.get('continues') === 'true';
  return { run: text(fields, 'run'), epoch: count(fields, 'epoch'), lastVersion: count(fields, 'lastVersion'), continues };
}

function checked(fields: readonly (readonly [string, string])[]): Map<string, string> {
  return new Map([...fields, ['check', checkOf(fields)]]);
}

function checkOf(fields: Iterable<readonly [string, string]>): string {
  return digestOf(new TextEncoder().encode(JSON.stringify([...fields])));
}

function demandCheck(fields: Fields): void {
  const format = text(fields, 'format');
  // before the check, which is this format's
  if (format !== recordingFormat) {
    const found = `the recording has the format ${quote(format)}, this release reads ${quote(recordingFormat)}; use a newer release`;
    throw new GradwireError('E_FORMAT', found);
  }
  const check = checkOf([...fields].filter(([key]) => key !== 'check'));
  if (check !== fields.get('check')) throw new Error('the metadata are not those that were written');
}

function text(fields: Fields, key: string): string {
  const value = fields.get(key);
  if (value === undefined) throw new Error(`the metadata lack "${key}"`);
  return value;
}

function count(fields: Fields, key: string): number {
  const number = Number(text(fields, key));
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`the metadata's "${key}" is no count`);
  return number;
}
