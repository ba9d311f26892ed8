// What `connect` is told: addresses, options, waiting times, and what ends a connection.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { GradwireError } from '../../src/errors.ts';
import { socketAddress } from '../../streams/sockets/client/address.ts';
import { Backoff } from '../../streams/sockets/client/backoff.ts';
import { errorOfClose, errorOfRefusal } from '../../streams/sockets/client/trouble.ts';
import { connect, type ReplicaOptions } from '../../streams/sockets/index.ts';

test('addresses come in every form that people write', () => {
  for (const [address, model, expected] of [
    ['http://127.0.0.1:8080', undefined, 'ws://127.0.0.1:8080/'],
    ['http://127.0.0.1:8080/', undefined, 'ws://127.0.0.1:8080/'],
    ['ws://localhost:1', undefined, 'ws://localhost:1/'],
    ['wss://example.com', 'm', 'wss://example.com/models/m'],
    ['https://example.com/models/m', undefined, 'wss://example.com/models/m'],
    ['http://h/models/m/', 'm', 'ws://h/models/m'],
    ['http://h/models/my%20m', 'my m', 'ws://h/models/my%20m'],
    ['http://[::1]:5', 'a/b', 'ws://[::1]:5/models/a%2Fb'],
  ] as const) {
    assert.is(socketAddress(address, model), expected);
  }
  for (const [address, model] of [
    ['127.0.0.1:8080'],
    ['ftp://h'],
    ['http://user:secret@h'],
    ['http://h/other'],
    ['http://h/models/a/b'],
    ['http://h/models/a', 'b'],
    ['http://h/models/%ZZ', 'b'],
    [''],
  ] as [string, string?][]) {
    assert.throws(
      () => socketAddress(address, model),
      (error: GradwireError) => error.code === 'E_CONFIG' && !error.message.includes('secret'),
      address,
    );
  }
});

test('options that are wrong are refused with a hint', () => {
  for (const [options, says] of [
    [{ rloe: 'worker' }, 'did you mean "role"'],
    [{ role: 'admin' }, 'role must be'],
    [{ mode: 'some' }, 'mode must be'],
    [{ producer: 'w1' }, "add role: 'worker'"],
    [{ role: 'worker', producer: '' }, 'producer must be'],
    [{ role: 'worker', producerEpoch: -1 }, 'producerEpoch must be'],
    [{ role: 'worker', maxQueue: 5000 }, 'maxQueue must be'],
    [{ silenceMs: 0 }, 'silenceMs must be'],
    [{ readyTimeoutMs: Number.NaN }, 'readyTimeoutMs must be'],
  ] as [ReplicaOptions, string][]) {
    assert.throws(
      () => connect('http://127.0.0.1:1', options),
      (error: GradwireError) => error.code === 'E_CONFIG' && error.message.includes(says),
      says,
    );
  }
});

test('waiting times are random, double with each failure up to their limit, and begin anew', () => {
  const backoff = new Backoff({ minMs: 200, maxMs: 30_000, random: () => 0.5 });
  assert.equal(
    Array.from({ length: 10 }, () => backoff.next()),
    [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000],
  );
  backoff.reset();
  assert.is(backoff.next(), 100);
});

test('what ends a connection becomes an error with a code', () => {
  assert.is(errorOfClose(4506, '').code, 'E_NOT_FOUND');
  assert.is(errorOfClose(4502, 'E_PRODUCER_FENCED: taken').message, 'E_PRODUCER_FENCED: taken (close code 4502)');
  assert.is(errorOfClose(4599, 'E_MADE_UP: x').code, 'E_PROTOCOL');
  assert.is(errorOfRefusal('Unexpected server response: 404', 'ws://h')?.code, 'E_NOT_FOUND');
  assert.is(errorOfRefusal('Unexpected server response: 403', 'ws://h')?.code, 'E_FORBIDDEN');
  for (const status of [200, 408, 429, 500, 503])
    assert.is(errorOfRefusal(`Unexpected server response: ${status}`, 'ws://h'), undefined);
  assert.is(errorOfRefusal('connect ECONNREFUSED', 'ws://h'), undefined);
});

test.run();
