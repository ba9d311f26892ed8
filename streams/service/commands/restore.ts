// `gradwire restore DIRECTORY`: the whole state at any version, as a snapshot file.
import { Command } from 'commander';
import { bytesOf, digestOf } from '../../../src/digest.ts';
import { encodeSnapshot, type Snapshot } from '../../../src/frames/snapshot.ts';
import { restore } from '../../recordings/index.ts';
import { integer } from '../options.ts';
import { print, readingProgress, writeWhole } from '../output.ts';

interface RestoreOptions {
  version?: number;
  out: string;
  json?: boolean;
}

/** The command. */
export function restoreCommand(): Command {
  return new Command('restore')
    .description('write the whole state of a run at any of its versions: a snapshot that replay, inspect and export read')
    .argument('<recording>', 'a recording: the directory of a trainer, or an .mcap file')
    .option('--version <version>', 'which version (default: the newest)', integer(0))
    .requiredOption('--out <file>', 'the safetensors file to write')
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  gradwire restore run --version 1200 --out then.safetensors\n')
    .action(run);
}

async function run(path: string, { version, out, json }: RestoreOptions): Promise<void> {
  const bar = readingProgress('restoring');
  let snapshot: Snapshot;
  try {
    snapshot = await restore(path, { version, progress: bar.update });
  } finally {
    bar.stop();
  }
  const frame = encodeSnapshot(snapshot);
  await writeWhole(out, frame);
  const { run: name, model, epoch, examples, parameters } = snapshot;
  const digest = digestOf(bytesOf(parameters.flat));
  print({ version: snapshot.version, digest, model, run: name, epoch, examples, bytes: frame.byteLength, out }, { json });
}
