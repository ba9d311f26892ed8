// The errors: a closed list of codes, each thrown somewhere and each explained in docs/ERRORS.md.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { contentCodes, errorCodes, GradwireError, quote, refuseUnknownOptions } from '../src/errors.ts';
import { refused } from './support/refused.ts';

const top = fileURLToPath(new URL('..', import.meta.url));
const sources = ['src', 'streams'].flatMap((room) =>
  readdirSync(top + room, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && name !== 'errors.ts')
    .map((name) => readFileSync(`${top}${room}/${name}`, 'utf8')),
);

test('every code has its paragraph in docs/ERRORS.md, and the document names no other', () => {
  const explained = [...readFileSync(`${top}docs/ERRORS.md`, 'utf8').matchAll(/^\*\*(E_[A-Z_0-9]+)\*\* \S/gm)].map(
    ([, code]) => code,
  );
  assert.equal([...explained].sort(), [...errorCodes].sort());
});

test('the refusals for content are codes of the list, and those that the documents name so', () => {
  const read = (name: string): string => readFileSync(`${top}docs/${name}`, 'utf8');
  const codes = (text = '', mark = /E_[A-Z_0-9]+/g): string[] => text.match(mark) ?? [];
  const section = /^## The content of a batch$(.*?)^## /ms.exec(read('ERRORS.md'))?.[1];
  const quarantine = /^\*\*Quarantine\.\*\* What counts: ([^.]+)\./m.exec(read('WIRE.md'))?.[1];
  assert.equal(
    contentCodes.filter((code) => !errorCodes.includes(code)),
    [],
  );
  assert.equal(codes(section, /(?<=^\*\*)E_[A-Z_0-9]+(?=\*\*)/gm), [...contentCodes], 'docs/ERRORS.md');
  assert.equal(codes(quarantine), [...contentCodes], 'docs/WIRE.md');
});

test('every code is thrown somewhere', () => {
  const code = sources.map((source) => source.replace(/^ *(\*|\/\/).*$/gm, '')).join('\n');
  assert.equal(
    errorCodes.filter((each) => !code.includes(`'${each}'`)),
    [],
  );
});

test('an error has its code in front of its message, and its cause behind it', () => {
  const cause = new Error('underneath');
  const error = new GradwireError('E_BUSY', 'too much', { cause, retryable: true, retryAfterMs: 5 });
  assert.is(error.message, 'E_BUSY: too much');
  assert.equal(
    [error.code, error.text, error.retryable, error.retryAfterMs, error.cause],
    ['E_BUSY', 'too much', true, 5, cause],
  );
  assert.instance(error, Error);
});

test('names from outside are quoted, escaped and cut before they are printed', () => {
  assert.is(quote('a"b\n\u0007\u009b\u202e'), '"a\\"b\\n\\u0007\\u009b\\u202e"');
  assert.is(quote('x'.repeat(5000)).length, 103);
});

test('an unknown option is refused with the nearest name that there is', () => {
  refused(
    'E_CONFIG',
    () => refuseUnknownOptions('serve', { maxPaylaod: 1 }, ['maxPayload', 'port']),
    /"maxPaylaod"; did you mean "maxPayload"\?/,
  );
  refused('E_CONFIG', () => refuseUnknownOptions('serve', { zzz: 1 }, ['maxPayload', 'port']), /it takes maxPayload, port/);
  refuseUnknownOptions('serve', { port: 1 }, ['maxPayload', 'port']);
});

test.run();
