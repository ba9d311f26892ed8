// What a server says, mutated on its way to real replicas: none of it is ever applied as if it were right, and every replica heals.
// watchdog: 600 s
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, type RemoteReplica } from '../../streams/sockets/index.ts';
import { figure } from '../support/figures.ts';
import { chance, type Random, seed } from '../support/random.ts';
import { mutateFrame, takeApart } from './fuzz/frames.ts';
import { mutateFields, mutateText } from './fuzz/mutate.ts';
import { Target } from './fuzz/target.ts';
import { History, type Tamper } from './schedules/history.ts';

const messages = Math.ceil(6 * Number(process.env.GRADWIRE_RUNS ?? 1000));

/** What happens to messages on the way, until it is told to stop. */
class Mischief {
  readonly counts: Record<string, number> = {
    frames: 0,
    texts: 0,
    doubled: 0,
    'left out': 0,
    exchanged: 0,
    unsigned: 0,
    'valid all the same': 0,
  };
  active = true;
  readonly #random: Random;
  #last: Uint8Array = new Uint8Array(8);
  #kept: Uint8Array | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  get done(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  readonly tamper: Tamper = (message) => {
    const random = this.#random;
    if (!this.active) return [message];
    if (typeof message === 'string') return random() < 0.1 ? [this.#text(message)] : [message];
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) return [message, kept];
    const other = this.#last;
    this.#last = message;
    const fate = random();
    if (fate < 0.3) return [this.#frame(message, other)];
    if (fate < 0.33) return this.#count('doubled', [message, message]);
    if (fate < 0.36) return this.#count('left out', []);
    if (fate >= 0.39) return [message];
    this.#kept = message;
    return this.#count('exchanged', []);
  };

  #count<Result>(name: string, result: Result): Result {
    this.counts[name] += 1;
    return result;
  }

  #frame(frame: Uint8Array, other: Uint8Array): Uint8Array {
    const mutant = mutateFrame(this.#random, frame, other);
    // a frame of which nothing vouches for the header may say what it likes
    if (!isSigned(mutant)) return this.#count('unsigned', frame);
    return this.#count('frames', new Uint8Array(mutant));
  }

  /** A message that can no longer be read, or says the same. */
  #text(text: string): string {
    const random = this.#random;
    let mutant = text;
    if (random() < 0.5) mutant = mutateText(random, text);
    else {
      const fields = JSON.parse(text);
      mutateFields(random, fields);
      mutant = JSON.stringify(fields);
    }
    return isText(mutant) ? this.#count('valid all the same', text) : this.#count('texts', mutant);
  }
}

/** Whether a frame, if it can be read at all, has the check of its header. */
function isSigned(frame: Buffer): boolean {
  try {
    return typeof takeApart(frame).metadata.header === 'string';
  } catch {
    return true;
  }
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** Whether a client can take a text for a welcome or a heartbeat, whatever it says. */
function isText(text: string): boolean {
  try {
    const { type, run, epoch, version, credit } = JSON.parse(text);
    if (type === 'welcome') return typeof run === 'string' && isCount(epoch) && isCount(version) && isCount(credit?.batches);
    return type === 'heartbeat' && isCount(epoch) && isCount(version);
  } catch {
    return false;
  }
}

interface Stand {
  readonly target: Target;
  readonly digests: Map<number, string>;
}

async function open(): Promise<Stand> {
  const target = await Target.open({ listen: { heartbeatMs: 40, closeMs: 200 } });
  const digests = new Map([[1, target.trainer.digest()]]);
  target.trainer.updates$.subscribe(({ version }) => digests.set(version, target.trainer.digest()));
  return { target, digests };
}

function push({ target }: Stand, random: Random): Promise<unknown> {
  const values = (length: number): Float32Array => Float32Array.from({ length }, () => random() - 0.5);
  return target.trainer.push(
    random() < 0.5
      ? { 'dense/bias': values(3), scale: values(1) }
      : { 'dense/kernel': { rows: Int32Array.of(3), values: values(3) } },
  );
}

/** Connects a replica behind mischief, and notes whenever it shows what the trainer never published. */
function follow({ target, digests }: Stand, tamper: Tamper, random: Random): { replica: RemoteReplica; wrong: string[] } {
  const wrong: string[] = [];
  const history = new History({ tamper });
  const options = {
    backoffMinMs: 1,
    backoffMaxMs: 4,
    connectTimeoutMs: 300,
    silenceMs: 2000,
    random,
    WebSocket: history.WebSocket,
  };
  const replica = connect(target.trainer.url, options);
  replica.updates$.subscribe({
    next: ({ version }) => {
      if (replica.digest() !== digests.get(version)) wrong.push(`version ${version} with other weights`);
    },
    error: (error) => wrong.push(String(error)),
  });
  for (const promise of [replica.ready, replica.closed]) promise.catch(() => undefined);
  return { replica, wrong };
}

test(`${messages} frames and messages mutated on their way: what is not what the trainer sent is not applied, and each replica heals`, async () => {
  const random = chance(seed);
  const stand = await open();
  const { trainer } = stand.target;
  const all = Array.from({ length: 6 }, (_, i) => {
    const mischief = new Mischief(chance(seed + i));
    return { mischief, ...follow(stand, mischief.tamper, random) };
  });
  const done = (): number => all.reduce((sum, { mischief }) => sum + mischief.done, 0);
  while (done() < messages) {
    await push(stand, random);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  for (const { mischief } of all) mischief.active = false;
  await push(stand, random);
  await Promise.all(all.map(({ replica }) => replica.reached(trainer.version)));
  for (const { replica, wrong } of all) {
    assert.equal(wrong, [], `seed ${seed}`);
    assert.is(replica.digest(), trainer.digest());
  }
  const total: Record<string, number> = {};
  for (const { mischief, replica } of all) {
    const { troubles, resumed, reset } = replica.counts;
    for (const [name, count] of Object.entries({ ...mischief.counts, troubles, resumed, reset }))
      total[name] = (total[name] ?? 0) + count;
  }
  assert.ok(total.troubles > 0 && total.resumed > 0, 'control: something was noticed');
  await Promise.all(all.map(({ replica }) => replica.close()));
  await trainer.close();
  figure(
    `fuzz: to the client, seed ${seed}: ${Object.entries(total)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}; 0 applied wrongly`,
  );
});

/** Lies that no hash of the tensors' bytes can show: the header says another place. */
const lies: Readonly<Record<string, (metadata: Record<string, string>) => void>> = {
  'a version far ahead': (metadata) => void (metadata.version = '999999999'),
  'a version a little ahead': (metadata) => void (metadata.version = String(Number(metadata.version) + 3)),
  'a later epoch': (metadata) => void (metadata.epoch = '7'),
  'another run': (metadata) => void (metadata.run = 'other'),
};

/** A replica to which one frame of a kind lies, and the run of it until it has healed. */
async function lieOnce(kind: string, change: (metadata: Record<string, string>) => void): Promise<ReturnType<typeof follow>> {
  const random = chance(seed);
  const stand = await open();
  const { trainer } = stand.target;
  let told = 0;
  const tamper: Tamper = (message) => {
    if (typeof message === 'string' || told > 0) return [message];
    const parts = takeApart(message);
    if (parts.metadata.kind !== kind) return [message];
    told += 1;
    change(parts.metadata as Record<string, string>);
    return [rebuilt(parts)];
  };
  const followed = follow(stand, tamper, random);
  const { replica } = followed;
  await replica.ready;
  await push(stand, random);
  await push(stand, random);
  await healed(replica, stand);
  assert.is(told, 1);
  await push(stand, random);
  await replica.reached(trainer.version);
  assert.equal([replica.version, replica.epoch, replica.digest()], [trainer.version, 1, trainer.digest()]);
  await replica.close();
  await trainer.close();
  return followed;
}

for (const kind of ['update', 'weights']) {
  for (const [name, lie] of Object.entries(lies)) {
    test(`a header of ${kind} that claims ${name} is found out at once by its own check`, async () => {
      const { replica, wrong } = await lieOnce(kind, lie);
      assert.equal(wrong, []);
      assert.is(replica.counts.faults.check, 1);
    });

    test(`a header of ${kind} that claims ${name}, and has no check, is found out by the next heartbeat, and the replica heals`, async () => {
      const { replica } = await lieOnce(kind, (metadata) => {
        lie(metadata);
        delete metadata.header;
      });
      assert.is(replica.counts.faults.check, 0);
    });
  }
}

/** Resolves when the replica shows the trainer's newest version, bit for bit. */
async function healed(replica: RemoteReplica, { target: { trainer } }: Stand): Promise<void> {
  const right = (): boolean =>
    replica.version === trainer.version && replica.epoch === 1 && replica.digest() === trainer.digest();
  if (right()) return;
  await new Promise<void>((resolve) => {
    const watching = replica.updates$.subscribe(() => {
      if (!right()) return;
      watching.unsubscribe();
      resolve();
    });
  });
}

function rebuilt({ metadata, entries, data }: ReturnType<typeof takeApart>): Uint8Array {
  const text = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8, ' '));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.byteLength));
  return new Uint8Array(Buffer.concat([length, header, data]));
}

test.run();
