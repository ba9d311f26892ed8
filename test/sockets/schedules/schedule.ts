// One schedule: a trainer, replicas and a worker, and a seeded list of things that go wrong between them.
import { filter, firstValueFrom, timeout } from 'rxjs';
import { connect, type RemoteReplica, type RemoteWorker } from '../../../streams/sockets/index.ts';
import type { ChaosProxy } from '../../support/proxy.ts';
import { chance, pick, type Random, whole } from '../../support/random.ts';
import { type Truth, violationsIn } from './checks.ts';
import { History, type Tamper } from './history.ts';
import { encodings, Path, routes } from './path.ts';

/** What a schedule counts. */
export interface Outcome {
  readonly violations: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

/** Everything about a schedule is drawn from its seed; a control tampers with what the replicas receive. */
export interface ScheduleOptions {
  readonly seed: number;
  readonly tamper?: () => Tamper;
}

interface Client {
  readonly replica: RemoteReplica;
  readonly history: History;
  readonly mode: 'every' | 'latest';
}

/** Runs a schedule to its end, and holds every history against the six checks. */
export async function runSchedule({ seed, tamper }: ScheduleOptions): Promise<Outcome> {
  const random = chance(seed);
  const restarts = random() < 0.15;
  const mayFallOff = random() < 0.2;
  const path = await Path.open({
    encoding: pick(random, Object.keys(encodings)),
    // a relay is two servers and a client more, so most schedules do without
    route: random() < 0.9 ? 'direct' : pick(random, Object.keys(routes)),
    random,
    restarts,
    listen: mayFallOff ? { backlogFrames: 3, resetMs: 5 } : {},
  });
  const run = new Run({ path, random, tamper, mayFallOff });
  try {
    await run.work();
    return await run.judge();
  } finally {
    await run.close();
  }
}

interface RunParts {
  readonly path: Path;
  readonly random: Random;
  readonly tamper: (() => Tamper) | undefined;
  readonly mayFallOff: boolean;
}

class Run {
  readonly #path: Path;
  readonly #random: Random;
  readonly #mayFallOff: boolean;
  readonly #clients: Client[] = [];
  readonly #worker: RemoteWorker | undefined;
  readonly #answers: Promise<{ readonly version: number }>[] = [];
  readonly #counts: Record<string, number> = {};

  constructor({ path, random, tamper, mayFallOff }: RunParts) {
    this.#path = path;
    this.#random = random;
    this.#mayFallOff = mayFallOff;
    const quick = { backoffMinMs: 1, backoffMaxMs: 8, silenceMs: 1200, connectTimeoutMs: 1200, random } as const;
    const count = whole(random, 1, 2);
    for (let i = 0; i < count; i++) {
      const history = new History({ tamper: tamper?.() });
      const mode = pick(random, ['every', 'every', 'latest'] as const);
      this.#watch({ replica: connect(path.url, { ...quick, mode, WebSocket: history.WebSocket }), history, mode });
    }
    if (random() < 0.4) {
      const history = new History({ doubles: () => random() < 0.3 });
      this.#worker = connect(path.url, { ...quick, role: 'worker', producer: 'w', WebSocket: history.WebSocket });
      this.#watch({ replica: this.#worker, history, mode: 'every' });
    }
  }

  /** Pushes batches, and lets something go wrong every few versions. */
  async work(): Promise<void> {
    const random = this.#random;
    const steps = whole(random, 8, 18);
    const restartAt = this.#path.canRestart ? whole(random, 3, steps - 2) : -1;
    for (let i = 0; i < steps; i++) {
      this.#push();
      if (random() < 0.4) await this.#catchUp();
      if (random() < 0.3) await this.#goWrong();
      if (i === restartAt) await this.#restart();
      for (const { replica, history } of this.#clients) if (random() < 0.5) history.look(replica);
    }
  }

  /** Calm weather: everybody gets to the end. Then the checks. */
  async judge(): Promise<Outcome> {
    const path = this.#path;
    const violations = [...path.faults];
    for (const proxy of path.proxies) proxy.calm();
    const versions = (await Promise.all(this.#answers)).map(({ version }) => version).sort((a, b) => a - b);
    const expected = versions.map((_, i) => i + 1);
    if (String(versions) !== String(expected)) violations.push(`batches became the versions ${versions}`);
    await Promise.all(this.#clients.map(({ replica }) => replica.reached(path.version)));
    // what an encoding dropped follows without a version
    await Promise.all(this.#clients.map(({ replica }) => settled(replica, path)));
    for (const { replica, history, mode } of this.#clients) {
      history.look(replica);
      const truth: Truth = { digests: path.digests, mode, mayFallOff: this.#mayFallOff, mayDiverge: path.mayDiverge };
      violations.push(...violationsIn(history.moments, truth).map(({ check, text }) => `${check}: ${text}`), ...history.errors);
      if (replica.version !== path.version || replica.digest() !== path.trainer.digest())
        violations.push(`it ended at ${replica.version} of ${path.version}, or with other weights`);
      if (history.unreadable > 0) violations.push(`${history.unreadable} messages could not be read`);
      if (replica.counts.troubles > 0) violations.push(`${replica.counts.troubles} troubles with nothing but lost connections`);
      this.#tally(history, replica);
    }
    this.#add('versions', path.version);
    this.#add('restarts', path.restarts);
    for (const how of ['end', 'reset'] as const) this.#add(`cuts by ${how}`, path.cuts(how));
    return { violations, counts: this.#counts };
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map(({ replica }) => replica.close()));
    await this.#path.close();
  }

  #watch(client: Client): void {
    client.history.watch(client.replica);
    client.replica.closed.catch(() => undefined);
    client.replica.ready.catch(() => undefined);
    this.#clients.push(client);
  }

  // a trainer that stops answers its own process' pushes with an error, so all of them are waited for
  async #restart(): Promise<void> {
    if (this.#worker === undefined) await Promise.all(this.#answers);
    await this.#path.restart();
  }

  #push(): void {
    const random = this.#random;
    const row = (length: number): Float32Array => Float32Array.from({ length }, () => random() - 0.5);
    const gradients =
      random() < 0.5
        ? { 'dense/kernel': { rows: Int32Array.of(whole(random, 0, 5), whole(random, 6, 11)), values: row(6) } }
        : { 'dense/kernel': row(36), 'dense/bias': row(3), scale: row(1) };
    const answer = this.#worker?.push({ gradients }) ?? this.#path.trainer.push({ gradients });
    answer.catch(() => undefined);
    this.#answers.push(answer);
  }

  /** Waits until somebody has what there is by now. */
  async #catchUp(): Promise<void> {
    const { replica } = pick(this.#random, this.#clients);
    await replica.reached(this.#path.version);
  }

  async #goWrong(): Promise<void> {
    const random = this.#random;
    const proxy = pick(random, this.#path.proxies);
    const [name, happen] = pick(random, disasters);
    this.#add(name, 1);
    await happen(proxy, random, () => this.#catchUp());
  }

  #tally(history: History, { counts }: RemoteReplica): void {
    this.#add('connections', counts.connections);
    this.#add('resumes', counts.resumed);
    this.#add('resets', counts.reset);
    this.#add('resends', history.resent);
    this.#add('frames', history.count('frame'));
    this.#add('looks', history.count('seen'));
  }

  #add(name: string, count: number): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + count;
  }
}

type Disaster = (proxy: ChaosProxy, random: Random, goOn: () => Promise<void>) => unknown;

/** What goes wrong; those that last end with the next one or with the calm at the end. */
const disasters: readonly (readonly [name: string, happen: Disaster])[] = [
  ['cuts now', (proxy, random) => proxy.cut(pick(random, ['end', 'reset']))],
  ['cuts after N bytes down', (proxy, random) => proxy.cutAfter(whole(random, 1, 4000), pick(random, ['end', 'reset']))],
  ['cuts after N bytes up', (proxy, random) => proxy.cutAfter(whole(random, 1, 1500), pick(random, ['end', 'reset']), 'up')],
  ['weather', (proxy, random) => void (proxy.weather = { down: storm(random), up: storm(random) })],
  ['fair weather', (proxy) => proxy.calm()],
  ['refusals', (proxy, random) => refuse(proxy, random)],
  ['stalls of one direction', (proxy, random) => stall(proxy, random)],
  ['black holes', (proxy, random, goOn) => swallow(proxy, random, goOn)],
];

function storm(random: Random): { latencyMs: number; jitterMs: number; bytesPerSecond: number; pieceBytes: number } {
  return {
    latencyMs: random() < 0.5 ? 0 : random() * 8,
    jitterMs: random() < 0.5 ? 0 : random() * 8,
    bytesPerSecond: random() < 0.7 ? Number.POSITIVE_INFINITY : 200_000,
    pieceBytes: random() < 0.5 ? 1 << 16 : whole(random, 40, 400),
  };
}

/** Turns away the next few who come. */
async function refuse(proxy: ChaosProxy, random: Random): Promise<void> {
  const until = proxy.accepted + whole(random, 1, 3);
  proxy.refusing = true;
  proxy.cut('reset');
  await proxy.reached(until);
  proxy.refusing = false;
}

/** One direction stands still; then the connection is cut, or goes on as if nothing had been. */
async function stall(proxy: ChaosProxy, random: Random): Promise<void> {
  const direction = pick(random, ['down', 'up'] as const);
  proxy.stall(direction, true);
  for (let i = whole(random, 1, 20); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
  if (random() < 0.5) proxy.cut(pick(random, ['end', 'reset']));
  proxy.stall(direction, false);
}

/** Those who come back are swallowed, until one of them has given up by its own deadline. Rare, for that takes a second. */
async function swallow(proxy: ChaosProxy, random: Random, goOn: () => Promise<void>): Promise<void> {
  if (random() < 0.9) {
    proxy.silent = true;
    for (let i = whole(random, 1, 20); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
    proxy.cut('reset');
    proxy.silent = false;
    return;
  }
  const { accepted } = proxy;
  proxy.swallowing = true;
  proxy.cut('end');
  await proxy.reached(accepted + 1);
  proxy.swallowing = false;
  await goOn();
}

async function settled(replica: RemoteReplica, { trainer }: Path): Promise<void> {
  const same = (): boolean => replica.digest() === trainer.digest();
  if (!same())
    await firstValueFrom(replica.updates$.pipe(filter(same), timeout(5_000)), { defaultValue: undefined }).catch(() => undefined);
}
