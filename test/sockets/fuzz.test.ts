// 200,000 mutated frames, hellos, control messages and HTTP requests against a real trainer: each is answered with a code, and what is refused changes nothing.
// watchdog: 900 s
import { Agent } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorCodes } from '../../src/index.ts';
import type { Answer } from '../../streams/operators/flow.ts';
import { closeCodes } from '../../streams/sockets/index.ts';
import { figure } from '../support/figures.ts';
import { chance, pick, type Random, seed, whole } from '../support/random.ts';
import { post, type Reply, type Response, sendRaw, Talker } from './fuzz/clients.ts';
import { mutateFrame } from './fuzz/frames.ts';
import { codesFor, faultInWelcome, mutateHello } from './fuzz/hellos.ts';
import { judge, Windows } from './fuzz/judge.ts';
import { mutateBytes, mutateText } from './fuzz/mutate.ts';
import { modelShapes, Source, Target } from './fuzz/target.ts';
import { dial } from './raw.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

// the parts of a run, which GRADWIRE_RUNS scales
const scale = Number(process.env.GRADWIRE_RUNS ?? 1000) / 1000;
const runs = (count: number): number => Math.ceil(count * scale);
// connections at a time
const lanes = 16;

// what a WebSocket says by itself: a broken frame, text that is no UTF-8, too many pieces, a message that is too large
const ownCloseCodes = [1002, 1007, 1008, 1009];
const knownCloseCodes: readonly number[] = [...Object.values(closeCodes), ...ownCloseCodes];
const knownStatuses = [200, 304, 400, 403, 404, 405, 408, 409, 413, 415, 417, 422, 429, 431, 503];

/** Runs `one` so often, in lanes, each with chance of its own. */
async function inLanes(count: number, salt: number, lane: (random: Random, go: () => boolean) => Promise<void>): Promise<void> {
  let left = count;
  const go = (): boolean => left-- > 0;
  await Promise.all(Array.from({ length: lanes }, (_, i) => lane(chance(seed + salt + i), go)));
}

/** Bytes in use after a collection. */
async function memory(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Runs `body` for a fifth of the count, then for the rest, which must not take memory. */
async function flat(count: number, body: (count: number, salt: number) => Promise<void>): Promise<string> {
  await body(Math.ceil(count / 5), 1000);
  const before = await memory();
  await body(count - Math.ceil(count / 5), 2000);
  const grown = (await memory()) - before;
  assert.ok(grown < 16 << 20, `${grown} bytes more in use after ${count} inputs, seed ${seed}`);
  return `${(grown / 2 ** 20).toFixed(1)} MiB more in use`;
}

function portOf({ trainer }: Target): number {
  return Number(new URL(trainer.url).port);
}

test(`${runs(165_000)} mutated frames in the trainer’s own pipe: each has the one answer that an independent rule gives it`, async () => {
  const random = chance(seed);
  const target = await Target.open();
  const { trainer } = target;
  const windows = new Windows();
  let sources: Source[] = [];
  let accepted: Buffer = Buffer.alloc(0);
  let other: Uint8Array = accepted;
  let valid = 0;
  for (let i = 0; i < runs(165_000) && target.faults.length === 0; i++) {
    // a mutant may fence its producer, or take its highest number
    if (i % 200 === 0) sources = Array.from({ length: 4 }, (_, j) => new Source(random, `w${i + j}`));
    const source = pick(random, sources);
    const frame = source.next(trainer.version);
    const fate = random();
    const mutant = fate < 0.01 ? Buffer.from(frame) : fate < 0.02 ? accepted : mutateFrame(random, frame, other);
    other = frame;
    const judged = judge(mutant, modelShapes, 'default');
    const before = trainer.version;
    const place = typeof judged === 'string' ? judged : windows.place(mutant, judged, before);
    const answers: Answer[] = [];
    target.arrivals$.next({ frame: new Uint8Array(mutant), answer: (answer) => answers.push(answer) });
    const [answer] = answers;
    assert.is(answers.length, 1, `mutant ${i} has ${answers.length} answers; seed ${seed}`);
    target.answered(answer);
    const expected = place === 'new' ? before + 1 : place;
    const found = answer.type === 'ack' ? answer.version : 'refused';
    const agreed = typeof expected === 'number' ? found === expected : found === 'refused';
    assert.ok(
      agreed,
      `mutant ${i}, seed ${seed}: the rule says ${expected}, the trainer ${JSON.stringify(answer)}; ${mutant.toString('latin1')}`,
    );
    if (answer.type === 'nack') assert.is(trainer.version, before);
    else valid += 1;
    if (place !== 'new' || typeof judged === 'string') continue;
    windows.note(mutant, judged, before + 1);
    accepted = mutant;
  }
  assert.equal(target.faults, []);
  assert.is(trainer.version, target.acks);
  figure(`fuzz: ${runs(165_000)} frames in the pipe, seed ${seed}: ${valid} of them valid all the same; ${target.summary()}`);
  await trainer.close();
});

/** A worker's connection, with a name in half of the cases. */
async function worker(target: Target, producer: string | undefined): Promise<Talker> {
  const talker = await Talker.open(target.trainer.url);
  talker.text(Buffer.from(JSON.stringify({ type: 'hello', role: 'worker', producer })));
  const welcome = await talker.next();
  assert.is(welcome.kind, 'text', JSON.stringify(welcome));
  return talker;
}

test(`${runs(22_000)} mutated frames over WebSockets: each has an answer or a close code of the list`, async () => {
  const target = await Target.open({ listen: {} });
  let names = 0;
  const used = await flat(runs(22_000), (count, salt) =>
    inLanes(count, salt, async (random, go) => {
      let talker: Talker | undefined;
      let source = new Source(random, 'w');
      while (go()) {
        if (talker === undefined) {
          const name = `w${names++}`;
          source = new Source(random, name);
          talker = await worker(target, random() < 0.5 ? name : undefined);
        }
        const frame = source.next(target.trainer.version);
        const tooLarge = random() < 0.001;
        const mutant = tooLarge
          ? Buffer.alloc((1 << 20) + 1024)
          : mutateFrame(random, frame, source.next(target.trainer.version));
        talker.frame(mutant);
        const reply = await talker.next();
        if (reply.kind === 'text') {
          const answer = reply.value as unknown as Answer;
          const judged = judge(mutant, modelShapes, 'default');
          if (answer.type === 'ack') assert.type(judged, 'object', `${JSON.stringify(answer)}: ${judged}; seed ${seed}`);
          target.answered(answer);
        } else {
          // who was told that it is fenced is closed, maybe only when it has said more
          assert.ok(reply.code === 4502 || (tooLarge && reply.code === 1009), `closed with ${reply.code} ${reply.reason}`);
          target.tally(`close ${reply.code}`);
          target.unchanged();
          talker = undefined;
        }
      }
      await talker?.end();
    }),
  );
  assert.equal(target.faults, []);
  assert.is(target.trainer.version, target.acks);
  figure(`fuzz: ${runs(22_000)} frames over WebSockets, seed ${seed}: ${used}; ${target.summary()}`);
  await target.trainer.close();
});

/** What came to a hello: whether it fits the rule, and what came to a message after it. */
async function greet(random: Random, target: Target): Promise<void> {
  const bytes = mutateHello(random, target);
  const talker = await Talker.open(target.trainer.url);
  talker.text(bytes);
  const reply = await talker.next();
  const codes = codesFor(bytes);
  const tell = (found: Reply): string =>
    `seed ${seed}: ${bytes.toString('latin1')} was answered ${JSON.stringify(found)}, the rule says ${codes}`;
  if (reply.kind === 'close') {
    target.tally(`close ${reply.code}`);
    const usedUp = reply.code === 4502 && reply.reason.startsWith('E_PRODUCER_FENCED: this producer has used the last epoch');
    assert.ok(usedUp || codes.includes(reply.code), tell(reply));
  } else {
    assert.equal(codes, [], tell(reply));
    assert.is(faultInWelcome(bytes, reply.value, target), undefined, tell(reply));
    target.tally('welcome');
    if (random() < 0.5) await interrupt(random, talker, target);
  }
  target.unchanged();
  await talker.end();
}

/** Text where only frames belong. */
async function interrupt(random: Random, talker: Talker, target: Target): Promise<void> {
  talker.text(Buffer.from(mutateText(random, '{"type":"heartbeat","epoch":1,"version":2}')));
  const reply = await talker.next();
  assert.ok(reply.kind === 'close' && reply.code === 4500, JSON.stringify(reply));
  target.tally('close 4500 later');
}

test(`${runs(5000)} mutated hellos: a welcome or a close code, as the rule of the format says`, async () => {
  const target = await Target.open({ listen: {} });
  const before = target.trainer.digest();
  const used = await flat(runs(5000), (count, salt) =>
    inLanes(count, salt, async (random, go) => {
      while (go()) await greet(random, target);
    }),
  );
  assert.equal([target.faults, target.trainer.version, target.trainer.digest()], [[], 1, before]);
  figure(`fuzz: ${runs(5000)} hellos, seed ${seed}: ${used}; ${target.summary()}`);
  await target.trainer.close();
});

/** The bytes of a WebSocket frame with a valid hello, mutated below the level of messages. */
function brokenFrame(random: Random): Buffer {
  const text = Buffer.from('{"type":"hello","role":"replica"}');
  const mask = Buffer.from([1, 2, 3, 4]);
  const whole = Buffer.concat([Buffer.from([0x81, 0x80 | text.byteLength]), mask, text.map((byte, i) => byte ^ mask[i & 3])]);
  let mutated: Buffer = Buffer.from(whole);
  if (random() < 0.7) mutated[pick(random, [0, 1])] ^= 1 << Math.floor(random() * 8);
  if (random() < 0.5) mutated = mutateBytes(random, mutated, whole);
  return mutated;
}

test(`${runs(1000)} broken WebSocket frames: each connection is answered or closed with a code, in time`, async () => {
  const target = await Target.open({ listen: { helloMs: 250 } });
  await inLanes(runs(1000), 0, async (random, go) => {
    while (go()) {
      const { client } = await dial(portOf(target));
      client.socket.write(brokenFrame(random));
      const reply = await client.next();
      const code = reply.kind === 'close' ? reply.code : 0;
      assert.ok(reply.kind === 'text' || knownCloseCodes.includes(code), JSON.stringify(reply));
      target.tally(reply.kind === 'text' ? 'welcome' : `close ${code}`);
      target.unchanged();
      client.end();
    }
  });
  assert.equal(target.faults, []);
  figure(`fuzz: ${runs(1000)} broken WebSocket frames, seed ${seed}: ${target.summary()}`);
  await target.trainer.close();
});

/** A status of the list, and below it an error of the list as JSON. */
function check(target: Target, { status, body }: Response, what: string): void {
  assert.ok(knownStatuses.includes(status), `HTTP ${status} for ${what}; seed ${seed}`);
  target.tally(String(status));
  if (status >= 400 && body !== '') {
    const { code } = JSON.parse(body);
    assert.ok(errorCodes.includes(code), `HTTP ${status} with ${body} for ${what}; seed ${seed}`);
  }
  // an answer to HEAD has no body; empty lines may stand before it
  const isHead = /^\s*HEAD /m.test(what);
  assert.ok(status < 400 || body !== '' || isHead, `HTTP ${status} without a word for ${what}; seed ${seed}`);
  target.unchanged();
}

test(`${runs(5000)} mutated bodies over HTTP, on connections that stay: an ack, or a status with a code`, async () => {
  const target = await Target.open({ listen: {} });
  const agent = new Agent({ keepAlive: true, maxSockets: lanes });
  let names = 0;
  const used = await flat(runs(5000), (count, salt) =>
    inLanes(count, salt, async (random, go) => {
      let source = new Source(random, 'h');
      for (let i = 0; go(); i++) {
        if (i % 50 === 0) source = new Source(random, `h${names++}`);
        const frame = source.next(target.trainer.version);
        const mutant = mutateFrame(random, frame, source.next(target.trainer.version));
        const headers: Record<string, string> = random() < 0.1 ? { 'Transfer-Encoding': 'chunked' } : {};
        const response = await post(agent, `${target.trainer.url}/models/default/gradients`, mutant, headers);
        check(target, response, 'POST');
        target.answered(JSON.parse(response.body));
      }
    }),
  );
  assert.equal(target.faults, []);
  assert.is(target.trainer.version, target.acks);
  agent.destroy();
  figure(`fuzz: ${runs(5000)} bodies over HTTP, seed ${seed}: ${used}; ${target.summary()}`);
  await target.trainer.close();
});

const requests = [
  'GET / HTTP/1.1',
  'GET /healthz HTTP/1.1',
  'GET /readyz HTTP/1.1',
  'GET /models/default HTTP/1.1',
  'HEAD /models/default HTTP/1.1',
  'GET /models/default/weights.safetensors HTTP/1.1',
  'POST /models/default/gradients HTTP/1.1',
];

/** A whole request, mutated as text and as bytes. */
function brokenRequest(random: Random, port: number, frame: Uint8Array): Buffer {
  const line = pick(random, requests);
  const headers = [`Host: 127.0.0.1:${port}`, 'Connection: close'];
  const body = line.startsWith('POST') ? Buffer.from(frame) : Buffer.alloc(0);
  if (line.startsWith('POST')) headers.push(`Content-Length: ${body.byteLength}`);
  const more = [
    'Expect: 100-continue',
    'Expect: more',
    'Content-Encoding: gzip',
    'Origin: http://elsewhere.test',
    'If-None-Match: *',
    `X: ${'y'.repeat(9000)}`,
  ];
  if (random() < 0.3) headers.push(pick(random, more));
  let head = [line, ...headers, '', ''].join('\r\n');
  for (let i = whole(random, 0, 2); i > 0; i--) head = mutateText(random, head);
  const bytes = Buffer.concat([Buffer.from(head), body]);
  return random() < 0.3 ? mutateBytes(random, bytes, bytes) : bytes;
}

test(`${runs(3000)} mutated HTTP requests: each has a status and a code of the list`, async () => {
  const target = await Target.open({ listen: {} });
  let names = 0;
  let unanswered = 0;
  const used = await flat(runs(3000), (count, salt) =>
    inLanes(count, salt, async (random, go) => {
      while (go()) {
        const bytes = brokenRequest(random, portOf(target), new Source(random, `r${names++}`).next(0));
        const responses = await sendRaw(portOf(target), bytes);
        if (responses.length === 0) unanswered += 1;
        for (const response of responses) check(target, response, bytes.toString('latin1'));
      }
    }),
  );
  assert.equal(target.faults, []);
  figure(`fuzz: ${runs(3000)} HTTP requests, seed ${seed}: ${unanswered} unanswered; ${used}; ${target.summary()}`);
  await target.trainer.close();
});

test.run();
