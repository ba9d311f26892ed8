// `gradwire serve`: a trainer for any model.
import { Command } from 'commander';
import type { RMSpropOptions } from '../../../src/rmsprop/options/hyperparameters.ts';
import { trainer } from '../../trainer.ts';
import { readModel } from '../model.ts';
import { addHyperparameters, type HyperparameterOptions, hyperparametersIn, integer, number, settings } from '../options.ts';
import { bytes, lines, print, warn } from '../output.ts';
import { stopped } from '../stop.ts';

interface ServeOptions extends HyperparameterOptions {
  model?: string;
  directory: string;
  name?: string;
  port?: number;
  host: string;
  optimizer?: RMSpropOptions;
  maxStaleness?: number;
  snapshotEvery: number;
  snapshotSeconds: number;
  keepSnapshots: number;
  json?: boolean;
}

const standardPort = 8080;

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
    )
    .option('--host <address>', 'loopback address to bind to', '127.0.0.1');
  return addHyperparameters(command)
    .option('--optimizer <json>', 'further options, such as \'{"preset": "torch", "momentum": 0.9}\'', settings)
    .option('--max-staleness <versions>', 'refuse gradients computed on older weights than this (default: no limit)', integer(0))
    .option('--snapshot-every <versions>', 'versions between snapshots', integer(1), 5_000)
    .option('--snapshot-seconds <seconds>', 'seconds after which what changed is in a snapshot', number, 30)
    .option('--keep-snapshots <count>', 'snapshots kept', integer(1), 3)
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
  const { directory, name, port = standardPort, host, maxStaleness, snapshotEvery, snapshotSeconds, keepSnapshots } = options;
  const model = options.model === undefined ? undefined : await readModel(options.model);
  return await trainer({
    model: model?.layout,
    name,
    directory,
    optimizer: { ...options.optimizer, ...hyperparametersIn(options), initial: model?.initial },
    maxStaleness,
    onError: (error) => warn(`a snapshot could not be written: ${String(error)}`),
    listen: { host, port, orAnyPort: options.port === undefined },
    snapshots: { every: snapshotEvery, intervalMs: snapshotSeconds * 1000, keep: keepSnapshots },
  });
}
