// The command line of the flights example.
import { between, program, withPlace } from '../support/command-line.ts';

/** What a user may choose. */
export interface Options {
  /** Flights of this run; to the end of the data where it is not given. */
  readonly limit?: number;
  readonly workers: number;
  readonly replicas: number;
  /** Flights in one batch of gradients. */
  readonly batch: number;
  /** Where the recording and the snapshots are; a fresh one where it is not given. */
  readonly directory?: string;
  /** 8080, or a free one where that is taken, unless it is given. */
  readonly port?: number;
  readonly quiet?: boolean;
}

/** Reads the arguments after the program's name. A mistake prints one line and ends the process with exit code 2. */
export function readOptions(args: readonly string[]): Options {
  const command = program('npm start --')
    .description(
      'Learns from 3,000,000 real US flights which of them will be late: a trainer, workers that predict each flight before ' +
        'they learn from it, and replicas that hold the live weights. All that is learned is recorded.',
    )
    .option('--limit <flights>', 'flights of this run (default: to the end of the data)', between(1, 1e12))
    .option('--workers <count>', 'worker processes', between(1, 64), 2)
    .option('--replicas <count>', 'replica processes', between(0, 64), 2)
    .option('--batch <flights>', 'flights in one batch of gradients', between(1, 4096), 64);
  return withPlace(command, 'flights')
    .option('--quiet', 'print nothing but the final summary, as one line of JSON')
    .addHelpText('after', '\nExample:\n  $ npm start -- --limit 200000 --workers 2 --replicas 1 --directory runs/mine')
    .parse([...args], { from: 'user' })
    .opts<Options>();
}
