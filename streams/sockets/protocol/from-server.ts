// What the server says as text, read: welcome, heartbeat, ack and nack.
import { encodingNames } from '../../../src/encodings/names.ts';
import { GradwireError, printable } from '../../../src/errors.ts';
import type { Ack, Nack } from '../../operators/flow.ts';
import { choiceIn, countIn, demand, type Fields, listIn, nestedIn, parseControl, textIn } from './control.ts';
import type { Credit, Heartbeat, ResetReason, Welcome } from './words.ts';

/** A message of the server; undefined stands for a kind that this release does not know. */
export type ServerMessage = Welcome | Heartbeat | Ack | Nack | undefined;

// a welcome holds the names and shapes of up to 10,000 tensors
const longest = 8 << 20;

const reasons: readonly ResetReason[] = ['other-run', 'ahead', 'diverged', 'backlog'];

/** Reads a message of the server. Throws `E_PROTOCOL`. */
export function readServerMessage(text: string): ServerMessage {
  if (text.length > longest)
    throw new GradwireError('E_PROTOCOL', `a control message of ${text.length} characters, the limit is ${longest}`);
  const fields = parseControl(text);
  switch (fields.type) {
    case 'welcome':
      return readWelcome(fields);
    case 'heartbeat':
      return {
        type: 'heartbeat',
        epoch: count(fields, 'epoch'),
        version: count(fields, 'version'),
        digest: word(fields, 'digest'),
      };
    case 'ack':
      return {
        type: 'ack',
        sequence: count(fields, 'sequence'),
        version: count(fields, 'version'),
        duplicate: fields.duplicate === true,
      };
    case 'nack':
      return readNack(fields);
    default:
      return undefined;
  }
}

function readWelcome(fields: Fields): Welcome {
  const credit = demand(nestedIn(fields, 'credit'), 'credit');
  return {
    type: 'welcome',
    run: word(fields, 'run'),
    epoch: count(fields, 'epoch'),
    version: count(fields, 'version'),
    layout: demand(nestedIn(fields, 'layout'), 'layout') as Welcome['layout'],
    encoding: demand(choiceIn(fields, 'encoding', encodingNames), 'encoding'),
    credit: { batches: count(credit, 'batches'), bytes: count(credit, 'bytes') } satisfies Credit,
    resumed: fields.resumed === true,
    reason: choiceIn(fields, 'reason', reasons) ?? null,
    producerEpoch: countIn(fields, 'producerEpoch') ?? null,
    sequence: countIn(fields, 'sequence') ?? null,
    ...historyIn(fields),
  };
}

function historyIn(fields: Fields): Pick<Welcome, 'epochs' | 'relays'> {
  const epochs = listIn(fields, 'epochs', isEpoch) as Welcome['epochs'];
  const relays = listIn(fields, 'relays', (each) => typeof each === 'string') as Welcome['relays'];
  return { ...(epochs && { epochs }), ...(relays && { relays }) };
}

function isEpoch(each: unknown): boolean {
  return Array.isArray(each) && each.length === 2 && each.every((count) => Number.isSafeInteger(count) && count >= 0);
}

function readNack(fields: Fields): Nack {
  return {
    type: 'nack',
    sequence: countIn(fields, 'sequence') ?? null,
    code: word(fields, 'code'),
    retryable: fields.retryable === true,
    retryAfterMs: countIn(fields, 'retryAfterMs') ?? 0,
    version: count(fields, 'version'),
    text: printable(String(fields.text ?? ''), 1000),
  };
}

function count(fields: Fields, key: string): number {
  return demand(countIn(fields, key), key);
}

function word(fields: Fields, key: string): string {
  return demand(textIn(fields, key), key);
}
