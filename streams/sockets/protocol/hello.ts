// The hello: a client's first message, read and written.
import { GradwireError } from '../../../src/errors.ts';
import { choiceIn, countIn, demand, type Fields, namesIn, nestedIn, parseControl, textIn } from './control.ts';
import type { Hello, Resume } from './words.ts';

/**
 * Reads a hello. Fields that it does not know are left alone, null is as good as missing.
 *
 * @throws GradwireError `E_PROTOCOL` for anything that is no hello.
 */
export function readHello(text: string): Hello {
  const fields = parseControl(text);
  if (fields.type !== 'hello') throw new GradwireError('E_PROTOCOL', 'the first message must be of type "hello"');
  const token = fields.token ?? undefined;
  if (token !== undefined && typeof token !== 'string') throw new GradwireError('E_PROTOCOL', 'the "token" must be a string');
  const resume = nestedIn(fields, 'resume');
  return {
    role: demand(choiceIn(fields, 'role', ['replica', 'worker', 'recorder']), 'role'),
    ...(token === undefined ? {} : { token }),
    mode: choiceIn(fields, 'mode', ['every', 'latest', 'none']) ?? 'every',
    producer: textIn(fields, 'producer'),
    producerEpoch: countIn(fields, 'producerEpoch'),
    resume: resume && readResume(resume),
    tensors: namesIn(fields, 'tensors'),
  };
}

/** The text of a hello. */
export function writeHello({ role, token, mode, producer, producerEpoch, resume, tensors }: Hello): string {
  return JSON.stringify({ type: 'hello', role, token, producer, producerEpoch, resume, mode, tensors });
}

// a place without its run or epoch would fit anywhere, so they must be there
function readResume(fields: Fields): Resume {
  return {
    run: demand(textIn(fields, 'run'), 'run'),
    epoch: demand(countIn(fields, 'epoch'), 'epoch'),
    version: demand(countIn(fields, 'version'), 'version'),
    digest: textIn(fields, 'digest'),
  };
}
