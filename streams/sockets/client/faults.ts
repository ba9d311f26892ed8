// What a replica can find wrong with what it is told, by kind; after each it heals by itself.
import { type ErrorCode, GradwireError } from '../../../src/errors.ts';

/**
 * `check`: a frame's bytes are not those that were sent. `digest`: weights that do not have the digest that a frame states.
 * `gap`: an update does not follow on the version held, or never comes. `fork`: the version held, with other weights. `epoch`: a
 * trainer, or a frame, of an epoch that has been replaced. `frame`: anything else that is no message of the protocol.
 */
export type FaultKind = 'check' | 'digest' | 'gap' | 'fork' | 'epoch' | 'frame';

/** An error that has a kind of its own. */
export class Fault extends GradwireError {
  readonly kind: FaultKind;

  constructor(kind: FaultKind, code: ErrorCode, text: string) {
    super(code, text);
    this.kind = kind;
  }
}

/** The kind of any error that a frame or a message ended in. */
export function kindOf(error: GradwireError): FaultKind {
  if (error instanceof Fault) return error.kind;
  return error.code === 'E_CHECK' ? 'check' : error.code === 'E_DIGEST' ? 'digest' : 'frame';
}
