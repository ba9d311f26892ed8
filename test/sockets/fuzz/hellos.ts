// Hellos: valid ones, mutated ones, and the rule of docs/FORMAT.md by which they are told apart.
import { pick, type Random, whole } from '../../support/random.ts';
import { mutateBytes, mutateFields, mutateText } from './mutate.ts';
import type { Target } from './target.ts';

/** A valid hello of any role. */
function hello(random: Random, { trainer }: Target): Record<string, unknown> {
  const resume = {
    run: trainer.run,
    epoch: trainer.epoch,
    version: pick(random, [0, trainer.version, trainer.version + 1]),
    digest: pick(random, [trainer.digest(), '0'.repeat(16), undefined]),
  };
  return {
    type: 'hello',
    role: pick(random, ['replica', 'worker', 'recorder']),
    mode: pick(random, ['every', 'latest', undefined]),
    producer: pick(random, [undefined, `h${whole(random, 0, 50)}`]),
    producerEpoch: pick(random, [undefined, undefined, whole(random, 0, 3), random() < 0.05 ? 2 ** 53 - 1 : 7]),
    resume: pick(random, [undefined, resume]),
  };
}

/** A hello with up to three mutations, as the bytes of a text message. */
export function mutateHello(random: Random, target: Target): Buffer {
  const fields = JSON.parse(JSON.stringify(hello(random, target)));
  let texts = 0;
  let bytes = 0;
  for (let i = whole(random, 0, 3); i > 0; i--) {
    const level = random();
    if (level < 0.7) mutateFields(random, fields);
    else if (level < 0.9) texts += 1;
    else bytes += 1;
  }
  if (random() < 0.02) fields.padding = 'x'.repeat(whole(random, 3500, 9000));
  let text = JSON.stringify(fields);
  for (; texts > 0; texts--) text = mutateText(random, text);
  let buffer: Buffer = Buffer.from(text);
  for (; bytes > 0; bytes--) buffer = mutateBytes(random, buffer, Buffer.from(text));
  return buffer;
}

type Fields = Record<string, unknown>;

/** The close codes that a hello may be answered with; none where it is valid. */
export function codesFor(bytes: Buffer): readonly number[] {
  if (bytes.byteLength > 4096) return [4504, 1007];
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    return error instanceof SyntaxError ? [4500] : [1007];
  }
  return isHello(value) ? [] : [4500];
}

function isHello(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { type, role, mode, producer, producerEpoch, resume, token } = value;
  if (type !== 'hello' || !['replica', 'worker', 'recorder'].includes(role as string)) return false;
  const optional = [
    mode ?? undefined,
    producer ?? undefined,
    producerEpoch ?? undefined,
    resume ?? undefined,
    token ?? undefined,
  ] as const;
  const rules = [(each: unknown) => each === 'every' || each === 'latest', isText, isCount, isPlace, isString] as const;
  return optional.every((each, i) => each === undefined || rules[i](each));
}

function isPlace(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { run, epoch, version, digest } = value;
  return isText(run) && isCount(epoch) && isCount(version) && ((digest ?? undefined) === undefined || isText(digest));
}

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const isString = (value: unknown): boolean => typeof value === 'string';
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown): boolean =>
  typeof value === 'string' && value !== '' && value.length <= 256 && !/[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u.test(value);

/** What is wrong with a welcome, by the same page. */
export function faultInWelcome(bytes: Buffer, welcome: Fields, { trainer }: Target): string | undefined {
  const { role, resume } = JSON.parse(bytes.toString()) as { role: string; resume?: Fields };
  if (welcome.type !== 'welcome' || welcome.run !== trainer.run || welcome.epoch !== trainer.epoch) return 'another trainer';
  const { resumed, reason, producerEpoch = null, sequence = null } = welcome;
  if (typeof resumed !== 'boolean' || (resumed && reason !== null)) return `resumed ${resumed}, reason ${reason}`;
  if (resumed && (resume?.run !== trainer.run || resume.epoch !== trainer.epoch)) return 'a stranger was resumed';
  if (resumed && (resume?.version as number) > trainer.version) return 'one from the future was resumed';
  for (const each of [producerEpoch, sequence]) if (each !== null && !isCount(each)) return `a count of ${each}`;
  return role !== 'worker' && producerEpoch !== null ? 'a producer epoch for no worker' : undefined;
}
