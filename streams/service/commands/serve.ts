// `gradwire serve`: a trainer for any model.
import { Command, Option } from 'commander';
import { type EncodingName, encodingNames } from '../../../src/encodings/names.ts';
import type { RMSpropOptions } from '../../../src/rmsprop/options/hyperparameters.ts';
import type { Durability } from '../../recordings/index.ts';
import { trainer } from '../../trainer.ts';
import { addServeAccess, type ServeAccessOptions, serveAccess } from '../access/serve.ts';
import { type AdmissionSettings, addAdmission, policiesIn } from '../admission.ts';
import { readModel } from '../model.ts';
import {
  addHyperparameters,
  factor,
  type HyperparameterOptions,
  hyperparametersIn,
  integer,
  number,
  settings,
} from '../options.ts';
import { bytes, lines, print, readingProgress, warn } from '../output.ts';
import { stopped } from '../stop.ts';

interface ServeOptions extends HyperparameterOptions, ServeAccessOptions, AdmissionSettings {
  model?: string;
  directory: string;
  name?: string;
  port?: number;
  optimizer?: RMSpropOptions;
  snapshotEvery: number;
  snapshotSeconds: number;
  keepSnapshots: number;
  durability: Durability;
  segmentBytes: number;
  retainSegments?: number;
  retainBytes?: number;
  retainHours?: number;
  takeOver?: boolean;
  encoding?: EncodingName;
  publishEvery?: number;
  publishMs?: number;
  share?: number;
  blockLength?: number;
  json?: boolean;
}

const standardPort = 8080;

/** Adds what is said of the recording: how durable it is, how much of it is kept, and who may write it. */
function addRecording(command: Command): Command {
  const level = new Option(
    '--durability <level>',
    'what an acknowledged batch survives: power loss, the end of the process, nothing',
  );
  return command
    .addOption(level.choices(['fsync', 'os', 'none']).default('fsync'))
    .option(
      '--segment-bytes <bytes>',
      'a file of the recording that has as many is closed and the next begun',
      integer(1),
      256 << 20,
    )
    .option(
      '--retain-segments <count>',
      'remove the oldest files of the recording beyond so many (default: keep all)',
      integer(1),
    )
    .option(
      '--retain-bytes <bytes>',
      'remove the oldest files of the recording beyond so many bytes (default: keep all)',
      integer(1),
    )
    .option('--retain-hours <hours>', 'remove files of the recording not written to for so long (default: keep all)', number)
    .option('--take-over', 'kill another trainer that holds the directory, and go on in its place');
}

/** Adds how replicas are told. */
function addPublishing(command: Command): Command {
  const encoding = new Option('--encoding <encoding>', 'of updates: exact, or smaller and exact a second after the last batch');
  return command
    .addOption(encoding.choices(encodingNames).default('f32'))
    .option('--publish-every <versions>', 'versions merged into one update', integer(1), 1)
    .option('--publish-ms <ms>', 'the least time between two updates (default: none)', factor)
    .option('--share <share>', 'topk: the share of values in an update', factor, 0.01)
    .option('--block-length <values>', 'int8: the most values that share a scale', integer(1), 512);
}

/** The command. */
export function serveCommand(): Command {
  const command = new Command('serve')
    .description('a trainer: takes gradients, folds them, broadcasts the weights, and keeps all of it on disk')
    .option(
      '--model <file>',
      'JSON {"name": [shape], …}, or a safetensors file whose values are the initial parameters; not needed to go on',
    )
    .requiredOption('--directory <folder>', 'where the recording and the snapshots are; a run that is there goes on')
    .option('--name <name>', "the model's name in URLs (default: default, or that of the run)")
    .option(
      '--port <port>',
      `port; 0 for any free one (default: ${standardPort}, or a free one where it is taken)`,
      integer(0, 65_535),
    );
  return addPublishing(addRecording(addAdmission(addHyperparameters(addServeAccess(command)))))
    .option('--optimizer <json>', 'further options, such as \'{"preset": "torch", "momentum": 0.9}\'', settings)
    .option('--snapshot-every <versions>', 'versions between snapshots', integer(1), 5_000)
    .option('--snapshot-seconds <seconds>', 'seconds after which what changed is in a snapshot', number, 30)
    .option('--keep-snapshots <count>', 'snapshots kept', integer(2), 3)
    .option('--json', 'JSON lines: one when it accepts, one at the end')
    .addHelpText(
      'after',
      `\nExample:\n  echo '{"dense/kernel": [784, 10], "dense/bias": [10]}' > model.json\n  gradwire serve --model model.json --directory run --lr 0.01\n`,
    )
    .action(serve);
}

async function serve({ json, ...options }: ServeOptions): Promise<void> {
  const stop = stopped();
  const t = await start(options);
  const { name } = t;
  if (json) print({ url: t.url, model: name, run: t.run, epoch: t.epoch, version: t.version, digest: t.digest() }, { json });
  else {
    process.stdout.write(`${t.url}\n`);
    process.stderr.write(
      `model ${name}, run ${t.run}, epoch ${t.epoch}, version ${t.version}, digest ${t.digest()}; Ctrl-C stops\n`,
    );
  }
  for (const { path, byteLength } of t.recovered.torn) warn(`${path}: ${byteLength} bytes of an unfinished write were set aside`);
  for (const { text } of t.recovered.damagedSnapshots) warn(`an older snapshot was taken: ${text}`);
  await Promise.race([stop, t.closed]);
  await t.close();
  const facts = { version: t.version, digest: t.digest(), recording: t.recording, snapshot: t.snapshot };
  if (json) print(facts, { json });
  else
    process.stdout.write(
      lines({ ...facts, recorded: bytes(t.recordedBytes), replay: `npx gradwire replay '${options.directory}'` }),
    );
}

/** A trainer on the port asked for; without one on the standard port, or on a free one where that is taken. */
async function start(options: Omit<ServeOptions, 'json'>): ReturnType<typeof trainer> {
  const { directory, name, port = standardPort, snapshotEvery, snapshotSeconds, keepSnapshots } = options;
  const { retainHours, retainSegments: segments, retainBytes, durability, segmentBytes, takeOver } = options;
  const model = options.model === undefined ? undefined : await readModel(options.model);
  const ageMs = retainHours === undefined ? undefined : Math.round(retainHours * 3_600_000);
  const { encoding, publishEvery, publishMs, share, blockLength } = options;
  const bar = readingProgress('recovering');
  try {
    return await trainer({
      model: model?.layout,
      name,
      directory,
      optimizer: { ...options.optimizer, ...hyperparametersIn(options), initial: model?.initial },
      ...policiesIn(options),
      onError: (error) => warn(`a snapshot could not be written: ${String(error)}`),
      listen: { ...serveAccess(options), port, orAnyPort: options.port === undefined },
      snapshots: { every: snapshotEvery, intervalMs: snapshotSeconds * 1000, keep: keepSnapshots },
      publish: { encoding, every: publishEvery, intervalMs: publishMs, share, blockLength },
      durability,
      segmentBytes,
      retention: { segments, bytes: retainBytes, ageMs },
      takeOver,
      progress: bar.update,
    });
  } finally {
    bar.stop();
  }
}
