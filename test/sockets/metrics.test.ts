// GET /metrics: figures for Prometheus that are what has happened.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ask } from './ask.ts';
import { dial, join } from './raw.ts';
import { batch, untilText, withStand } from './talk.ts';

/** Values by name and labels, after every line has been read as the format says: HELP, TYPE, samples. */
async function figuresOf(port: number): Promise<Map<string, number>> {
  const { status, headers, bytes } = await ask(port, '/metrics');
  assert.equal([status, headers['content-type']], [200, 'text/plain; version=0.0.4; charset=utf-8']);
  const values = new Map<string, number>();
  const described = new Set<string>();
  for (const line of bytes.toString().trim().split('\n')) {
    const about = /^# (HELP|TYPE) (gradwire_\w+) (.+)$/.exec(line);
    const sample = /^(gradwire_\w+)(\{\w+="[^"]*"\})? ([\d.e+-]+)$/.exec(line);
    if (about !== null) described.add(`${about[1]} ${about[2]}`);
    else if (sample !== null) {
      assert.ok(described.has(`HELP ${sample[1]}`) && described.has(`TYPE ${sample[1]}`), line);
      values.set(sample[1] + (sample[2] ?? ''), Number(sample[3]));
    } else assert.is(line, '');
  }
  return values;
}

test('GET /metrics tells version, epoch, connections, acks, refusals by code, and bytes published', () =>
  withStand({}, async (stand, port) => {
    const before = await figuresOf(port);
    assert.equal(
      ['version', 'epoch', 'acks_total', 'updates_total', 'trouble', 'connections{role="worker"}'].map((name) =>
        before.get(`gradwire_${name}`),
      ),
      [0, 1, 0, 0, 0, 0],
    );
    assert.is(before.get('gradwire_info{model="default"}'), 1);
    const { client } = await join(port, { role: 'worker', producer: 'w1' });
    await client.nextBinary();
    let bytes = 0;
    stand.published$.subscribe(({ frame }) => (bytes += frame.byteLength));
    for (const frame of [batch(1), batch(2), batch(2), batch(3, {}, [1, Number.NaN, 1])]) {
      client.binary(frame);
      await untilText(client);
    }
    await ask(port, '/models/default/gradients', { method: 'POST', body: batch(4, { base: '99' }) });
    await ask(port, '/', { headers: { Origin: 'http://evil.example' } });
    await dial(port, undefined, { Host: 'evil.example' });
    const { client: replica } = await join(port, { role: 'replica' });
    await replica.nextBinary();
    const after = await figuresOf(port);
    for (const [name, value] of [
      ['version', 2],
      ['updates_total', 2],
      ['acks_total', 3],
      ['batches_total{code="ack"}', 2],
      ['batches_total{code="duplicate"}', 1],
      ['batches_total{code="E_NONFINITE"}', 1],
      ['batches_total{code="E_FUTURE"}', 1],
      ['refused_total{barrier="origin"}', 1],
      ['refused_total{barrier="host"}', 1],
      ['connections{role="worker"}', 1],
      ['connections{role="replica"}', 1],
      ['connections{role="recorder"}', 0],
      ['lag_versions{role="replica"}', 0],
      ['unanswered_batches', 0],
      ['backlog_frames', 2],
      ['published_bytes_total', bytes],
      ['backlog_bytes', bytes],
      ['learning_rate', Math.fround(0.01)],
    ] as const)
      assert.is(after.get(`gradwire_${name}`), value, name);
    for (const each of [client, replica]) each.end();
  }));

test('figures are those of the moment: asked twice, nothing is counted twice', () =>
  withStand({}, async (stand, port) => {
    stand.step();
    const first = await figuresOf(port);
    assert.equal(await figuresOf(port), first);
    stand.step();
    assert.is((await figuresOf(port)).get('gradwire_updates_total'), 2);
  }));

test('each server has figures of its own', () =>
  withStand({}, async (stand, port) => {
    stand.step();
    await withStand({}, async (_, other) => {
      assert.is((await figuresOf(other)).get('gradwire_version'), 0);
      assert.is((await figuresOf(port)).get('gradwire_version'), 1);
    });
  }));

test.run();
