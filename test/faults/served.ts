// A served trainer with workers and a replica on real sockets, and what must be true of it whatever its disk does.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import { encodeGradients } from '../../src/frames/gradients.ts';
import { deserialize } from '../../src/frames/safetensors.ts';
import type { GradientRecord } from '../../src/gradients/batch.ts';
import { layout } from '../../src/layout.ts';
import { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import { connect } from '../../streams/sockets/index.ts';
import { type Running, run, start } from '../support/gradwire.ts';
import { chance } from '../support/random.ts';

/** The model that is served; a batch with all of it is a frame of a little more than 4 KiB. */
const model = layout({ kernel: [32, 32], bias: [8] });
export type Name = 'kernel' | 'bias';
const hyperparameters = { lr: 0.05, rho: 0.9 };

/** Dense batches from a seed. */
export function batchesOf(count: number, seed: number): GradientRecord<Name>[] {
  const random = chance(seed);
  const values = (length: number) => Float32Array.from({ length }, () => random() * 2 - 1);
  return Array.from({ length: count }, () => ({ kernel: values(1024), bias: values(8) }));
}

/** The digest of these batches folded one after the other. */
export function digestOf(given: readonly GradientRecord<Name>[]): string {
  const fold = new RMSprop(model, hyperparameters);
  for (const batch of given) fold.step(batch);
  return fold.digest();
}

/** Starts `gradwire serve` for the model `m`; gives its address too. */
export async function serve(directory: string, ...options: string[]): Promise<Running & { url: string; directory: string }> {
  const file = `${directory}.model.json`;
  await writeFile(file, JSON.stringify(model.toJSON())).catch(() => undefined);
  const fresh = ['--model', file, '--name', 'm', '--lr', String(hyperparameters.lr), '--rho', String(hyperparameters.rho)];
  const port = options.includes('--port') ? [] : ['--port', '0'];
  const running = start('serve', '--directory', directory, ...port, ...fresh, ...options);
  return { ...running, directory, url: await running.line() };
}

/** What a post was answered with. */
interface Answered {
  readonly status: number;
  readonly type: string;
  readonly code?: string;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  readonly version: number;
}

/** Posts one batch by HTTP, where every nack is seen. */
async function post(url: string, sequence: number, gradients: GradientRecord<Name>): Promise<Answered> {
  const identity = { producer: 'curl', producerEpoch: 0, sequence, base: 0 };
  const body = encodeGradients(model, identity, { gradients });
  const answer = await fetch(`${url}/models/m/gradients`, { method: 'POST', body });
  return { status: answer.status, ...((await answer.json()) as Omit<Answered, 'status'>) };
}

/** A JSON answer with its status. */
export async function ask(url: string): Promise<Record<string, unknown> & { status: number }> {
  const answer = await fetch(url);
  return { ...((await answer.json()) as Record<string, unknown>), status: answer.status };
}

/** The weights that are served, and their version. */
async function weightsOf(url: string): Promise<{ version: number; digest: string }> {
  const answer = await fetch(`${url}/models/m/weights.safetensors`);
  assert.is(answer.status, 200);
  const { version, digest } = deserialize(new Uint8Array(await answer.arrayBuffer())).metadata;
  return { version: Number(version), digest };
}

/** Makes a process' system calls on a path fail while it runs; resolves once it does. */
export async function failing(pid: number, path: string, inject: string): Promise<ChildProcess> {
  const tracer = spawn('strace', ['-f', '-p', String(pid), '-P', path, '-e', `inject=${inject}`, '-o', '/dev/null'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await once(tracer.stderr, 'data');
  return tracer;
}

/** A disk that takes no writes for a while: how it begins, and how it ends. */
export interface Trouble {
  readonly directory: string;
  readonly options?: readonly string[];
  begin(running: Running & { url: string }): unknown;
  end(): unknown;
}

/** What became of a run through a trouble. */
export interface Endured {
  readonly acknowledged: number;
  readonly trouble: Record<string, unknown>;
}

/** Trains while the disk takes no writes for a while, and demands all that is promised of that; ends the trainer. */
export async function endure({ directory, options = [], begin, end }: Trouble): Promise<Endured> {
  const running = await serve(directory, ...options);
  const { url, child } = running;
  const replica = await connect(url, { role: 'replica' });
  const workers = await Promise.all(['a', 'b'].map((producer) => connect<Name>(url, { role: 'worker', producer })));
  const byVersion = new Map<number, GradientRecord<Name>>();
  const note = (version: number, gradients: GradientRecord<Name>): void => {
    assert.not(byVersion.has(version), `two batches became version ${version}`);
    byVersion.set(version, gradients);
  };
  const push = (count: number, seed: number): Promise<unknown> =>
    Promise.all(
      workers.flatMap((worker, i) =>
        batchesOf(count, seed + i).map(async (gradients) => note((await worker.push({ gradients })).version, gradients)),
      ),
    );
  try {
    await push(5, 1);
    await begin(running);
    const rest = push(50, 10);
    // one at a time, so that the answer that is no ack is seen; the workers hear the same and send again by themselves
    const posted = batchesOf(400, 99);
    let sequence = 0;
    let answer = await post(url, sequence, posted[0]);
    for (; answer.type === 'ack'; answer = await post(url, ++sequence, posted[sequence])) note(answer.version, posted[sequence]);
    const { status, code, retryable, retryAfterMs, version } = answer;
    assert.equal([status, code, retryable, retryAfterMs], [503, 'E_DISK', true, 1000]);

    const ready = await ask(`${url}/readyz`);
    assert.equal([ready.status, ready.code], [503, 'E_DISK'], JSON.stringify(ready));
    assert.is((await ask(`${url}/healthz`)).status, 200);
    const shown = await ask(`${url}/models/m`);
    assert.equal([shown.status, shown.version, shown.replicas, shown.workers], [200, version, 1, 2]);
    assert.match(String(shown.trouble), /^E_DISK: /);
    const weights = await weightsOf(url);
    assert.equal([weights.version, weights.digest], [version, shown.digest]);
    await replica.reached(version);
    assert.is(replica.digest(), weights.digest);
    const late = await connect(url, { role: 'replica' });
    await late.ready;
    assert.equal([late.version, late.digest()], [version, weights.digest]);
    await late.close();
    // whatever is tried meanwhile, nothing is acknowledged
    assert.is((await post(url, sequence, posted[sequence])).code, 'E_DISK');
    assert.is((await ask(`${url}/models/m`)).version, version);

    await end();
    await rest;
    for (answer = await post(url, sequence, posted[sequence]); answer.type !== 'ack'; )
      answer = await post(url, sequence, posted[sequence]);
    note(answer.version, posted[sequence]);
    assert.is((await ask(`${url}/readyz`)).status, 200);
    assert.is(child.exitCode, null);

    const digest = digestOf(Array.from({ length: byVersion.size }, (_, i) => byVersion.get(i + 1) as GradientRecord<Name>));
    await replica.reached(byVersion.size);
    assert.is(replica.digest(), digest);
    assert.is((await ask(`${url}/models/m`)).digest, digest);
    child.kill('SIGTERM');
    const ended = await running.ended;
    assert.is(ended.code, 0, ended.stderr);
    const replayed = JSON.parse((await run('replay', directory, '--json')).stdout) as Record<string, unknown>;
    assert.equal([replayed.version, replayed.digest], [byVersion.size, digest]);
    return { acknowledged: byVersion.size, trouble: ready };
  } finally {
    child.kill('SIGKILL');
    await Promise.allSettled([replica, ...workers].map((each) => each.close()));
  }
}

/** The path of the segment that a served trainer writes. */
export async function segmentOf(url: string): Promise<string> {
  return String((await ask(`${url}/models/m`)).recording);
}
