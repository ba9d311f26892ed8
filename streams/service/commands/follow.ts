// `gradwire follow URL`: a replica in the terminal.
import { Command } from 'commander';
import { encodeWeights } from '../../../src/frames/weights.ts';
import { type ConnectionStatus, connect, type RemoteReplica } from '../../sockets/index.ts';
import { addConnectAccess, type ConnectAccessOptions, connectAccess } from '../access/connect.ts';
import { integer, number } from '../options.ts';
import { print, writeWhole } from '../output.ts';
import { stopped } from '../stop.ts';

interface FollowOptions extends ConnectAccessOptions {
  model?: string;
  tensors?: string[];
  out?: string;
  interval: number;
  until?: number;
  timeout: number;
  json?: boolean;
}

/** The command. */
export function followCommand(): Command {
  const command = new Command('follow')
    .description('hold the live weights of a trainer, and print where they stand')
    .argument('<url>', 'the trainer, as its `serve` printed it')
    .option('--model <name>', 'which model (default: the one in the URL, or the only one)')
    .option('--tensors <names>', 'follow these alone, with commas between them (default: all)', names)
    .option('--out <file>', 'write the weights to this safetensors file: every interval in which they changed, and at the end')
    .option('--interval <seconds>', 'seconds between lines and between writes', number, 2)
    .option('--until <version>', 'end once this version has arrived', integer(0))
    .option('--timeout <seconds>', 'give up where no weights arrive for so long at the start', number, 15)
    .option('--json', 'one JSON object a line');
  return addConnectAccess(command)
    .addHelpText('after', '\nExample:\n  gradwire follow http://localhost:8080 --out weights.safetensors\n')
    .action(follow);
}

async function follow(
  url: string,
  { model, tensors, out, interval, until, timeout, json, ...access }: FollowOptions,
): Promise<void> {
  const replica = connect(url, { ...connectAccess(access), model, tensors, readyTimeoutMs: timeout * 1000 });
  const watch = new Watch(replica, { out, json });
  const stop = stopped();
  const status = replica.status$.subscribe((now) => {
    watch.status = now;
    // a replica that is closed for good ends the command, with that reason
    if (now.state !== 'closed' && now.reason !== undefined) process.stderr.write(`${now.state}: ${now.reason}\n`);
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([replica.ready, stop]);
    await watch.show();
    timer = setInterval(() => void watch.show(), Math.max(interval, 0.05) * 1000);
    const end =
      until === undefined ? stop : Promise.race([stop, replica.reached(until, { timeoutMs: Number.POSITIVE_INFINITY })]);
    await Promise.race([watch.failed, end, replica.closed]);
    await watch.show({ always: true });
    // a last write that failed is an error too
    await Promise.race([watch.failed, undefined]);
  } finally {
    clearInterval(timer);
    status.unsubscribe();
    await replica.close();
  }
}

function names(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}

/** Prints and writes the replica's weights whenever they have moved on. */
class Watch {
  readonly #replica: RemoteReplica;
  readonly #out: string | undefined;
  readonly #json: boolean | undefined;
  /** How the replica stands. */
  status: ConnectionStatus = { state: 'connecting' };
  #shown = -1;
  #busy: Promise<void> = Promise.resolve();
  #fail: (error: unknown) => void = () => undefined;
  /** Rejects when a write failed. */
  readonly failed: Promise<never> = new Promise((_, reject) => {
    this.#fail = reject;
  });

  constructor(replica: RemoteReplica, { out, json }: Pick<FollowOptions, 'out' | 'json'>) {
    this.#replica = replica;
    this.#out = out;
    this.#json = json;
    this.failed.catch(() => undefined);
  }

  show({ always = false } = {}): Promise<void> {
    this.#busy = this.#busy.then(() => this.#show(always)).catch(this.#fail);
    return this.#busy;
  }

  async #show(always: boolean): Promise<void> {
    const { version, trainerVersion, model, run } = this.#replica;
    // no weights yet, or none that are the trainer's
    if (run === undefined || !this.#replica.readable || (version === this.#shown && !always)) return;
    const changed = version !== this.#shown;
    this.#shown = version;
    const { weights } = this.#replica;
    const { epoch, ageMs } = this.#replica.stamp();
    const lag = Math.max(0, trainerVersion - version);
    const { state } = this.status;
    const digest = this.#replica.digest();
    if (this.#json)
      print({ version, lag, digest, run, epoch, ageMs: Math.round(ageMs), status: state, out: this.#out }, { json: true });
    else process.stdout.write(`version ${version}  lag ${lag}  digest ${digest}  ${state}  age ${(ageMs / 1000).toFixed(1)} s\n`);
    if (this.#out !== undefined && changed) await writeWhole(this.#out, encodeWeights({ model, run, epoch, version }, weights));
  }
}
