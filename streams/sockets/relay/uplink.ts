// One worker's way up: a connection to the upstream of its own, whose frames and answers are the worker's.
import { type ErrorCode, GradwireError } from '../../../src/errors.ts';
import type { Answer, Arrival } from '../../operators/flow.ts';
import type { ConnectOptions } from '../client/connect-options.ts';
import { Link, type LinkListener, messageTooBig } from '../client/link.ts';
import { type CloseCode, closeCodes } from '../protocol/close-codes.ts';
import { InFlight } from '../protocol/credit.ts';
import { readServerMessage } from '../protocol/from-server.ts';
import { writeHello } from '../protocol/hello.ts';
import type { Hello, Welcome } from '../protocol/words.ts';
import { refusal, sequenceIn } from '../server/answers.ts';
import { TurnedAway, type WayUp } from '../server/way-up.ts';
import type { HeldAnswers } from './held-answers.ts';

/** What an uplink is made from. */
export interface UplinkOptions {
  readonly address: string;
  readonly connect: ConnectOptions;
  /** The worker's own. */
  readonly hello: Hello;
  readonly answers: HeldAnswers;
  /** Throws {@link TurnedAway} where the upstream is not in the history that the relay serves. */
  readonly check: (welcome: Welcome) => void;
}

interface Entry extends Arrival {
  readonly sequence: number | null;
}

/** A connection that is not made again: where it ends, the worker's ends, and what was not answered is sent again by the worker. */
export class Uplink implements WayUp, LinkListener {
  identity: WayUp['identity'] = {};
  readonly #options: UplinkOptions;
  readonly #link: Link;
  readonly #unsent: Arrival[] = [];
  readonly #sent = new Set<Entry>();
  #inFlight = new InFlight({ batches: 0, bytes: 0 });
  #settle: { welcomed(): void; refused(error: TurnedAway): void } | undefined;
  #ended: TurnedAway | undefined;
  #tell: ((code: number, reason: string) => void) | undefined;

  private constructor(options: UplinkOptions) {
    this.#options = options;
    this.#link = new Link(options.address, options.connect, this);
  }

  /** Resolves with the upstream's welcome. Rejects with {@link TurnedAway}. */
  static open(options: UplinkOptions): Promise<Uplink> {
    const uplink = new Uplink(options);
    return new Promise((resolve, refused) => {
      uplink.#settle = { welcomed: () => resolve(uplink), refused };
      uplink.#link.open();
    });
  }

  push(arrival: Arrival): void {
    this.#unsent.push(arrival);
    this.#flush();
  }

  whenEnded(end: (code: number, reason: string) => void): void {
    if (this.#ended !== undefined) end(this.#ended.code, this.#ended.message);
    else this.#tell = end;
  }

  close(): void {
    this.#end(new TurnedAway(closeCodes.shutdown, 'E_CLOSED: the worker is gone'));
  }

  hello(): string {
    const { hello, connect } = this.#options;
    const { producer, producerEpoch } = hello;
    // the relay's own token: what the worker may do here was judged by the worker's
    return writeHello({ role: 'worker', token: connect.token, mode: 'none', producer, producerEpoch, resume: undefined });
  }

  text(text: string): void {
    try {
      const message = readServerMessage(text);
      if (message?.type === 'welcome') this.#join(message);
      else if (message?.type === 'ack' || message?.type === 'nack') this.#answered(message);
    } catch (error) {
      if (error instanceof TurnedAway) this.#end(error);
      else if (error instanceof GradwireError) this.#end(new TurnedAway(closeCodes.internal, error.message));
      else throw error;
    }
  }

  frame(): void {
    // none is sent in this mode, and the relay's replica has them all
  }

  down(code: number, reason: string): void {
    const tooBig = code === messageTooBig;
    const said = reason === '' ? `closed with ${code}` : reason;
    const text = tooBig ? `E_TOO_LARGE: ${said}` : `E_CONNECTION: the upstream was lost (${said}); come back`;
    this.#end(new TurnedAway(tooBig ? (messageTooBig as CloseCode) : closeCodes.internal, text));
  }

  refused(error: GradwireError): void {
    this.#end(new TurnedAway(finalCodes[error.code] ?? closeCodes.badRequest, error.message));
  }

  #join(welcome: Welcome): void {
    this.#options.check(welcome);
    this.#link.welcomed();
    this.#inFlight = new InFlight(welcome.credit);
    this.identity = { producerEpoch: welcome.producerEpoch ?? null, sequence: welcome.sequence ?? null };
    this.#settle?.welcomed();
    this.#settle = undefined;
  }

  #flush(): void {
    while (this.#unsent.length > 0 && this.#ended === undefined) {
      const [{ frame, answer }] = this.#unsent;
      if (!this.#inFlight.allows(frame.byteLength)) return;
      this.#unsent.shift();
      this.#inFlight.take(frame.byteLength);
      this.#sent.add({ frame, answer, sequence: sequenceIn(frame) });
      this.#link.send(frame as Uint8Array<ArrayBuffer>);
    }
  }

  #answered(answer: Answer): void {
    const entries = [...this.#sent];
    const entry = entries.find(({ sequence }) => sequence === answer.sequence) ?? entries[0];
    if (entry === undefined) return;
    this.#sent.delete(entry);
    this.#inFlight.give(entry.frame.byteLength);
    this.#options.answers.pass(answer, entry.answer);
    this.#flush();
  }

  #end(why: TurnedAway): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    void this.#link.close();
    this.#settle?.refused(why);
    this.#tell?.(why.code, why.message);
    // the worker's connection is closed by now, so that this only says that nothing waits here any more
    const lost = new GradwireError('E_CONNECTION', 'the upstream was lost', { retryable: true });
    for (const { frame, answer } of [...this.#sent, ...this.#unsent]) answer(refusal(lost, frame, 0));
    this.#sent.clear();
    this.#unsent.length = 0;
  }
}

// a final refusal keeps its meaning on its way down
const finalCodes: Partial<Record<ErrorCode, CloseCode>> = {
  E_FORBIDDEN: closeCodes.forbidden,
  E_PRODUCER_FENCED: closeCodes.forbidden,
  E_TOO_LARGE: closeCodes.limit,
  E_NOT_FOUND: closeCodes.wrongModel,
  E_TIMEOUT: closeCodes.helloTimeout,
};
