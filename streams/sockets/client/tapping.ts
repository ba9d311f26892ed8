// One subscription to a trainer's gradients: joins as a recorder, hands on what follows, and after every cut resumes.
import type { Observer } from 'rxjs';
import { GradwireError } from '../../../src/errors.ts';
import { readRecord } from '../../../src/frames/record.ts';
import { decodeSnapshot, isSnapshot, type Snapshot } from '../../../src/frames/snapshot.ts';
import type { Position } from '../../../src/frames/update.ts';
import type { Tapped } from '../../operators/tapped.ts';
import { closeCodes } from '../protocol/close-codes.ts';
import { readServerMessage } from '../protocol/from-server.ts';
import { writeHello } from '../protocol/hello.ts';
import type { Welcome } from '../protocol/words.ts';
import { Link, type LinkListener, messageTooBig } from './link.ts';
import type { TapSettings } from './tap-options.ts';

// a frame that is damaged on its way comes whole the next time; one that is not never will
const mostTroubles = 3;

// where a snapshot comes next, there is no place for records
type Expected = 'snapshot' | 'records';

/** What stands behind one subscription of `tap`. */
export class Tapping implements LinkListener {
  readonly #settings: TapSettings;
  readonly #out: Observer<Tapped>;
  readonly #link: Link;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #place: Position | undefined;
  #start: Pick<Snapshot, 'parameters' | 'optimizer'> | undefined;
  #expected: Expected = 'snapshot';
  #troubles = 0;
  // the version held when there was trouble: only what gets beyond it shows that it is over
  #troubledAt = 0;

  constructor(url: string, settings: TapSettings, out: Observer<Tapped>) {
    this.#settings = settings;
    this.#out = out;
    this.#link = new Link(url, settings, this);
    const { readyTimeoutMs } = settings;
    if (readyTimeoutMs === undefined) return;
    const late = new GradwireError('E_CONNECTION', `no start from ${url} within ${readyTimeoutMs} ms; is the trainer up?`);
    this.#timer = setTimeout(() => this.refused(late), readyTimeoutMs);
  }

  /** Makes the first connection. */
  open(): void {
    this.#link.open();
  }

  /** Stops reading, or goes on. */
  hold(on: boolean): void {
    this.#link.hold(on);
  }

  /** Ends the connection and every timer. */
  close(): void {
    clearTimeout(this.#timer);
    void this.#link.close();
  }

  hello(): string {
    const resume = this.#place && { ...this.#place, digest: undefined };
    const { token } = this.#settings;
    return writeHello({ role: 'recorder', token, mode: 'every', producer: undefined, producerEpoch: undefined, resume });
  }

  text(text: string): void {
    this.#guard(() => {
      const message = readServerMessage(text);
      if (message?.type === 'welcome') this.#join(message);
      else if (message?.type === 'heartbeat') this.#link.works();
    });
  }

  frame(frame: Uint8Array): void {
    this.#guard(() => {
      const tapped = isSnapshot(frame) ? this.#startOver(frame) : this.#follow(frame);
      if ((this.#place?.version ?? 0) > this.#troubledAt) this.#troubles = 0;
      if (tapped !== undefined) this.#out.next(tapped);
    });
  }

  down(code: number, reason: string): void {
    if (code === messageTooBig) {
      this.refused(new GradwireError('E_TOO_LARGE', `a message is larger than a WebSocket here takes: ${reason}`));
      return;
    }
    this.#settings.onLost?.(reason === '' ? `the connection was lost (${code})` : reason);
  }

  refused(error: GradwireError): void {
    this.#out.error(error);
  }

  #join({ run, epoch, resumed }: Welcome): void {
    const place = this.#place;
    if (place !== undefined && place.run === run && epoch < place.epoch) {
      this.#link.comeBack(closeCodes.fenced, `the trainer of epoch ${epoch} has been replaced by a newer one`);
      return;
    }
    if (resumed && place === undefined) throw new GradwireError('E_PROTOCOL', 'the trainer resumes what has not begun');
    this.#link.welcomed();
    this.#expected = resumed ? 'records' : 'snapshot';
    if (resumed && place !== undefined) this.#place = { ...place, epoch };
  }

  #startOver(frame: Uint8Array): Tapped | undefined {
    const snapshot = decodeSnapshot(frame);
    const { run, epoch, version } = snapshot;
    const held = this.#place;
    this.#expected = 'records';
    const follows = held?.run === run && held.version === version;
    if (held !== undefined && !follows && !this.#settings.restart) {
      this.refused(gapBetween(held, snapshot));
      return undefined;
    }
    clearTimeout(this.#timer);
    this.#place = { run, epoch, version };
    if (follows) return undefined;
    this.#start = snapshot;
    return { kind: 'start', snapshot, frame };
  }

  #follow(frame: Uint8Array): Tapped | undefined {
    const place = this.#place;
    if (place === undefined || this.#start === undefined || this.#expected !== 'records')
      throw new GradwireError('E_FRAME', 'a record came before the snapshot that it follows on');
    const { parameters, optimizer } = this.#start;
    const { stamp, header, gradients: checked } = readRecord(frame, parameters.layout, { maxAbs: optimizer.maxAbs });
    const { run, epoch, version, payload } = stamp;
    if (run !== place.run || epoch !== place.epoch || version !== place.version + 1) {
      const text = `version ${version}, epoch ${epoch} of the run ${run} does not follow on ${place.version}, epoch ${place.epoch} of ${place.run}`;
      throw new GradwireError('E_FRAME', text);
    }
    this.#place = { run, epoch, version };
    this.#link.works();
    return { kind: 'batch', version, epoch, run, frame, header, payload, checked };
  }

  /** What does not fit is asked for once more; nothing of it was handed on. */
  #guard(take: () => void): void {
    try {
      take();
    } catch (error) {
      if (!(error instanceof GradwireError)) throw error;
      this.#troubles += 1;
      this.#troubledAt = this.#place?.version ?? 0;
      if (this.#troubles >= mostTroubles) this.refused(error);
      else this.#link.comeBack(closeCodes.resync, error.message);
    }
  }
}

function gapBetween(held: Position, found: Position): GradwireError {
  const where =
    held.run === found.run
      ? `version ${held.version} was the last`
      : `version ${held.version} of the run ${held.run} was the last`;
  const start = held.run === found.run ? `version ${found.version}` : `version ${found.version} of the run ${found.run}`;
  const text = `${where} to arrive, and the trainer can only go on after ${start}; what is between them is in its own recording`;
  return new GradwireError('E_RECORDING_GAP', text);
}
