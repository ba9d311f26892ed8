// `gradwire replay RECORDING`: folds a recording again, or pushes it into another trainer, as fast as it can or as it was.
import { Command } from 'commander';
import { GradwireError } from '../../../src/errors.ts';
import { addConnectAccess, type ConnectAccessOptions, connectAccess } from '../access/connect.ts';
import { addHyperparameters, factor, hyperparametersIn, integer, versionOrTime } from '../options.ts';
import { type FoldOptions, fold } from '../replay/fold.ts';
import { type PushOptions, push } from '../replay/push.ts';
import { mostInFlight } from '../replay/pushing.ts';

type ReplayOptions = FoldOptions & Omit<PushOptions, 'to' | 'access'> & ConnectAccessOptions & { to?: string };

/** The command. */
export function replayCommand(): Command {
  const command = new Command('replay')
    .description('fold a recording again: without options to the digest that the live run printed')
    .argument('<recording>', 'a recording: an .mcap file, or the directory of a trainer')
    .option('--snapshot <file>', 'start from this snapshot of the same run instead of the initial weights')
    .option(
      '--from <version|time>',
      'begin after this version, or with the first batch written at or after this time; what leads there is folded silently',
      versionOrTime,
    )
    .option(
      '--until <version|time>',
      'stop at this version, or with the last batch written at or before this time',
      versionOrTime,
    )
    .option('--speed <factor>', 'the original timing, so many times as fast (default: as fast as possible)', factor)
    .option('--to <url>', 'push the batches into this trainer instead of folding them here; again after a cut, it goes on')
    .option(
      '--in-flight <batches>',
      'with --to: batches under way at once; 1 where the trainer refuses what is stale',
      integer(1, mostInFlight),
      mostInFlight,
    )
    .option('--skip-refused', 'with --to: count the batches that the trainer refuses, and go on')
    .option('--out <file>', 'write the state at the end to this safetensors file')
    .option('--json', 'one JSON object');
  return addHyperparameters(addConnectAccess(command), 'default: as recorded')
    .addHelpText(
      'after',
      '\nExample:\n  gradwire replay run --lr 0.02 --out faster.safetensors\n' +
        '  gradwire replay run --from 2026-11-23T08:00:00Z --speed 10 --to http://localhost:8081\n',
    )
    .action(run);
}

async function run(path: string, options: ReplayOptions): Promise<void> {
  const { to, skipRefused, inFlight, snapshot, out, from, until, speed, json, tokenFile, tlsCa } = options;
  if (to === undefined) {
    if (skipRefused) throw new GradwireError('E_CONFIG', '--skip-refused is for --to');
    if (tokenFile ?? tlsCa) throw new GradwireError('E_CONFIG', '--token-file and --tls-ca are for --to');
    await fold(path, options);
    return;
  }
  const [folding] = Object.entries({ ...hyperparametersIn(options), snapshot, out }).filter(([, value]) => value !== undefined);
  if (folding !== undefined) throw new GradwireError('E_CONFIG', `--${folding[0]} is for folding here, not for --to`);
  await push(path, { to, access: connectAccess({ tokenFile, tlsCa }), skipRefused, inFlight, from, until, speed, json });
}
