// Publisher: the state of one publication after another: what waits to be published, and the frame that says it.
import { bytesOf, digestOf } from '../../src/digest.ts';
import type { EncodingName } from '../../src/encodings/names.ts';
import type { Form } from '../../src/frames/forms.ts';
import { encodeUpdate, type UpdateHeader } from '../../src/frames/update.ts';
import { Published } from '../../src/published.ts';
import type { Publication, Step } from './flow.ts';
import { originOf } from './origin.ts';
import type { PublishOptions } from './publish.ts';

// batches that wait to be published, the bytes of their frames, and of what an update's header says of them
const most = { batches: 4096, frameBytes: 64 << 20, labelBytes: 256 << 10 };

/** Steps that wait, and the published weights. */
export class Publisher<Name extends string, Input> {
  readonly #options: PublishOptions<Name>;
  #published: Published<Name> | undefined;
  #newest: Pick<Step<Name, Input>, 'version' | 'learningRate' | 'parameters'> | undefined;
  #batches: Input[] = [];
  #folded: UpdateHeader['folded'][number][] = [];
  #frameBytes = 0;
  #labelBytes = 0;
  // what replicas held before the first step is not known here, unless it was told
  #isFirst: boolean;
  // the published version, and the one at which a digest was sent last
  #from = 0;
  #digestAt = 0;

  constructor(options: PublishOptions<Name>) {
    this.#options = options;
    this.#published = options.published;
    this.#isFirst = options.published === undefined;
  }

  /** Takes up a step; gives the number of versions that wait. */
  note({ version, learningRate, parameters, touched, batch, merged }: Step<Name, Input>): number {
    if (this.#newest === undefined) this.#digestAt = this.#from = merged?.from ?? version - 1;
    this.#published ??= new Published(parameters, this.#options);
    this.#published.note(touched);
    this.#newest = { version, learningRate, parameters };
    this.#wait(batch, merged?.folded ?? originOf(batch));
    return version - this.#from;
  }

  /** Whether no more may wait. */
  get isFull(): boolean {
    const { batches, frameBytes, labelBytes } = most;
    return this.#batches.length >= batches || this.#frameBytes >= frameBytes || this.#labelBytes >= labelBytes;
  }

  // the parameters are those of steps that are held back, which are nobody's yet
  get #isHeld(): boolean {
    return (this.#options.gate?.held ?? null) !== null;
  }

  /** Publishes what waits, in the encoding; undefined where nothing does, or where steps are held back. */
  publish(): Publication<Input> | undefined {
    if (this.#published === undefined || this.#newest === undefined || this.#batches.length === 0) return undefined;
    if (this.#isHeld) return undefined;
    if (this.#isFirst) return this.#frame(this.#published.renew(this.#newest.parameters), 'f32');
    return this.#frame(this.#published.take([], this.#newest.parameters), this.#published.encoding.name);
  }

  /** Publishes everything that is missing, in `f32`; undefined where nothing is, or where steps are held back. */
  settle(): Publication<Input> | undefined {
    if (this.#published === undefined || this.#newest === undefined || this.#isHeld) return undefined;
    const { parameters } = this.#newest;
    const forms = this.#isFirst ? this.#published.renew(parameters) : this.#published.settle(parameters);
    if (forms.length === 0 && this.#batches.length === 0) return undefined;
    return this.#frame(forms, 'f32');
  }

  #wait(batch: Input, origins: UpdateHeader['folded']): void {
    this.#batches.push(batch);
    this.#frameBytes += (batch as { frame?: Uint8Array } | undefined)?.frame?.byteLength ?? 0;
    for (const origin of origins) {
      this.#folded.push(origin);
      // a character takes up to six bytes as an escape
      this.#labelBytes += origin[0].length * 6 + 40;
    }
  }

  #frame(forms: readonly Form[], encoding: EncodingName): Publication<Input> {
    const { name = 'default', run = 'local', epoch = 0, digestEvery = 256 } = this.#options;
    const { version, learningRate } = this.#newest as Step<Name, Input>;
    const { weights } = this.#published as Published<Name>;
    const [from, batches, folded] = [this.#from, this.#batches, this.#folded];
    // what changes the weights of a version that was published before proves itself
    const crosses = Math.floor(version / digestEvery) > Math.floor(this.#digestAt / digestEvery);
    const digest = crosses || from === version ? digestOf(bytesOf(weights.flat)) : undefined;
    if (crosses) this.#digestAt = version;
    this.#from = version;
    this.#isFirst = false;
    [this.#batches, this.#folded, this.#frameBytes, this.#labelBytes] = [[], [], 0, 0];
    const header = { model: name, run, epoch, from, version, encoding, learningRate, digest, folded };
    return { from, version, learningRate, frame: encodeUpdate(header, forms), weights, batches };
  }
}
