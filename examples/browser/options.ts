// The command line of the browser example.
import type { Command } from 'commander';
import { between, type EncodingName, encodingOption, program } from '../support/command-line.ts';

/** What a user may choose. */
export interface Options {
  /** Recording and snapshots. */
  readonly dir: string;
  /** 8080, or a free one where that is taken, unless it is given. */
  readonly port?: number;
  /** Of what the trainer tells the pages. */
  readonly encoding: EncodingName;
  readonly workers: number;
  /** Batches a second of each worker; 0 for as many as it can. */
  readonly rate: number;
}

/** Reads the arguments after the program's name. A mistake prints one line and ends the process with exit code 2. */
export function readOptions(args: readonly string[]): Options {
  const command: Command = program('npm run example:browser --')
    .description(
      'Learns to read handwritten digits and serves two pages: /draw follows the training and reads what you draw, /train ' +
        'trains in the tab. It goes on until it is stopped, and then from where it was.',
    )
    .option('--dir <path>', 'recording and snapshots; an earlier run there goes on', 'runs/browser')
    .option(
      '--port <number>',
      'port of the trainer, 0 for a free one (default: 8080, or a free one where it is taken)',
      between(0, 65_535),
    )
    .addOption(encodingOption('--encoding <name>', 'of the updates').default('int8'))
    .option('--workers <count>', 'worker processes that learn beside the pages', between(0, 16), 2)
    .option('--rate <batches>', 'batches a second of each worker, 0 for as many as it can', between(0, 1000), 10)
    .addHelpText('after', '\nExample:\n  $ npm run example:browser -- --port 8080 --workers 0');
  return command.parse([...args], { from: 'user' }).opts<Options>();
}
