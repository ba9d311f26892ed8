// `gradwire relay URL`: a replica that serves what it receives, for more replicas than one trainer should feed.
import { Command } from 'commander';
import { type Relay, relay } from '../../sockets/index.ts';
import { addConnectAccess, type ConnectAccessOptions, connectAccess } from '../access/connect.ts';
import { addServeAccess, type ServeAccessOptions, serveAccess } from '../access/serve.ts';
import { integer, number } from '../options.ts';
import { lines, print } from '../output.ts';
import { stopped } from '../stop.ts';

interface RelayOptions extends ServeAccessOptions, ConnectAccessOptions {
  model?: string;
  port?: number;
  timeout: number;
  json?: boolean;
}

// the trainer's own, which is free where the trainer is on another machine
const standardPort = 8080;

/** The command. */
export function relayCommand(): Command {
  const command = new Command('relay')
    .description('follow a trainer, or another relay, and serve its updates, untouched, to replicas and workers of its own')
    .argument('<url>', 'the trainer or relay, as it printed it')
    .option(
      '--port <port>',
      `port; 0 for any free one (default: ${standardPort}, or a free one where it is taken)`,
      integer(0, 65_535),
    );
  return addConnectAccess(addServeAccess(command))
    .option('--model <name>', 'which model (default: the one in the URL, or the only one)')
    .option('--timeout <seconds>', 'give up where no weights arrive for so long at the start', number, 15)
    .option('--json', 'JSON lines: one when it serves, one at the end')
    .addHelpText(
      'after',
      '\nExample:\n  gradwire relay http://localhost:8080 --port 8081\n  gradwire follow http://localhost:8081\n',
    )
    .action(serveRelay);
}

async function serveRelay(url: string, { model, port, timeout, json, ...access }: RelayOptions): Promise<void> {
  const stop = stopped();
  const listen = { ...serveAccess(access), port: port ?? standardPort, orAnyPort: port === undefined };
  const starting = relay(url, { model, readyTimeoutMs: timeout * 1000, ...connectAccess(access), listen });
  // asked to stop before the first weights: whatever comes of it is closed
  const r = await Promise.race([starting, stop]);
  if (r === undefined) {
    starting.then((late) => late.close()).catch(() => undefined);
    process.exit(0);
  }
  greet(r, json);
  const watching = watch(r);
  try {
    await Promise.race([stop, r.closed]);
  } finally {
    watching.unsubscribe();
    const facts = { version: r.version, epoch: r.epoch, run: r.run, lag: r.status.lag };
    await r.close();
    if (json) print(facts, { json });
    else process.stdout.write(lines(facts));
  }
}

function greet(r: Relay, json: boolean | undefined): void {
  const { id, upstream, depth } = r.status;
  const { model, run, epoch, version } = r;
  if (json) print({ url: r.url, upstream, id, depth, model, run, epoch, version, digest: r.digest() }, { json });
  else {
    process.stdout.write(`${r.url}\n`);
    const where = `model ${model}, run ${run}, epoch ${epoch}, version ${version}, digest ${r.digest()}`;
    process.stderr.write(`relay of ${upstream}, depth ${depth}; ${where}; Ctrl-C stops\n`);
  }
}

/** Says on standard error when the upstream is lost, and when it is there again. */
function watch(r: Relay): { unsubscribe(): void } {
  let live = true;
  return r.status$.subscribe({
    next: ({ state, reason }) => {
      if (state === 'live' && !live) process.stderr.write(`live: version ${r.version}, epoch ${r.epoch}\n`);
      if (state !== 'live' && reason) process.stderr.write(`${state}: ${reason}; version ${r.version} is served\n`);
      live = state === 'live';
    },
    error: () => undefined,
  });
}
