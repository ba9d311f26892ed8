// `gradwire replay RECORDING`: folds a recording again, to the same bits, or under other hyper-parameters.
import { Command } from 'commander';
import { lastValueFrom, tap } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import { encodeSnapshot } from '../../../src/frames/snapshot.ts';
import { RMSprop } from '../../../src/rmsprop/rmsprop.ts';
import { rmsprop } from '../../operators/rmsprop.ts';
import { snapshotOf } from '../../operators/snapshot.ts';
import { type FoldStart, foldFrom, type RecordedBatch, replay } from '../../recordings/index.ts';
import { addHyperparameters, type HyperparameterOptions, hyperparametersIn, integer } from '../options.ts';
import { print, readingProgress, writeWhole } from '../output.ts';

interface ReplayOptions extends HyperparameterOptions {
  snapshot?: string;
  until?: number;
  out?: string;
  json?: boolean;
}

/** The command. */
export function replayCommand(): Command {
  const command = new Command('replay')
    .description('fold a recording again: without options to the digest that the live run printed')
    .argument('<recording>', 'a recording: an .mcap file, or the directory of a trainer')
    .option('--snapshot <file>', 'start from this snapshot of the same run instead of the initial weights')
    .option('--until <version>', 'stop at this version', integer(0))
    .option('--out <file>', 'write the state at the end to this safetensors file')
    .option('--json', 'one JSON object');
  return addHyperparameters(command, 'default: as recorded')
    .addHelpText('after', '\nExample:\n  gradwire replay run --lr 0.02 --out faster.safetensors\n')
    .action(fold);
}

async function fold(path: string, { snapshot, until, out, json, ...options }: ReplayOptions): Promise<void> {
  const start = await foldFrom(path, { snapshot });
  if (until !== undefined && until < start.version) {
    throw new GradwireError('E_CONFIG', `--until ${until} lies before the snapshot's version ${start.version}`);
  }
  const startMs = performance.now();
  const { optimizer, ...place } = await foldAll(path, start, { until, changed: hyperparametersIn(options) });
  const seconds = (performance.now() - startMs) / 1000;
  if (out !== undefined)
    await writeWhole(out, encodeSnapshot(snapshotOf({ optimizer }, { ...start, ...place, model: start.name })));
  const batches = optimizer.version - start.version;
  const figures = { batches, seconds: round(seconds), 'batches/s': Math.round(batches / seconds) };
  if (json)
    print(
      { version: optimizer.version, digest: optimizer.digest(), batches, seconds, batchesPerSecond: batches / seconds, out },
      { json },
    );
  else print({ version: optimizer.version, digest: optimizer.digest(), ...figures, state: out });
}

/** The optimizer at the end of the fold, and where in which history it stands. */
async function foldAll(
  path: string,
  start: FoldStart,
  { until, changed }: { until: number | undefined; changed: HyperparameterOptions },
): Promise<{ optimizer: RMSprop; epoch: number; examples: number; run: string }> {
  const config = { ...start.optimizer, ...changed };
  let optimizer = new RMSprop(start.model, config);
  optimizer.restore(start.state);
  let { epoch, examples } = start;
  const note = (batch: RecordedBatch): void => {
    start.producers.note(batch.header, batch.payload, batch.version);
    epoch = batch.epoch;
    examples += batch.examples ?? 0;
  };
  const bar = readingProgress('replaying');
  const onRefused = (error: GradwireError): never => {
    throw error;
  };
  const batches$ = replay(path, { from: start.version, until, model: start.model, progress: bar.update });
  try {
    const steps$ = batches$.pipe(tap(note), rmsprop(start.model, { ...config, state: start.state, onRefused }));
    optimizer = (await lastValueFrom(steps$, { defaultValue: undefined }))?.optimizer ?? optimizer;
  } finally {
    bar.stop();
  }
  // other hyper-parameters make another history
  const run = Object.keys(changed).length === 0 ? start.run : globalThis.crypto.randomUUID().replaceAll('-', '');
  return { optimizer, epoch, examples, run };
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
