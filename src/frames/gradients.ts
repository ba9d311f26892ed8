// The gradients frame: one batch as a worker sends it and as the journal keeps it.
import { GradwireError, quote } from '../errors.ts';
import type { Batch } from '../gradients/batch.ts';
import { type CheckOptions, checkGradients, checkTensors, type Gradients } from '../gradients/check.ts';
import { isPrintable, type Layout } from '../layout.ts';
import { entriesOf, type Form, formsIn, gradientIn } from './forms.ts';
import { count, demandKind, frameFormat, type Metadata, optionalCount, optionalNumber, text } from './metadata.ts';
import { deserialize, type Safetensors, serialize, serializeOpened } from './safetensors.ts';

/** What a gradients frame says about its batch. */
export interface GradientsHeader {
  /** The model's name; undefined where the frame leaves it to its address. */
  readonly model: string | undefined;
  readonly producer: string;
  readonly producerEpoch: number;
  readonly sequence: number;
  /** The version of the weights that the gradients were computed on. */
  readonly base: number;
  readonly examples: number | undefined;
  readonly loss: number | undefined;
  /** Milliseconds since 1970; a label. */
  readonly time: number | undefined;
}

/** A gradients frame read. */
export interface GradientsFrame<Name extends string = string> {
  readonly header: GradientsHeader;
  readonly gradients: Gradients<Name>;
}

/** Who sends a frame, and as which: what a {@link Batch} may leave open and a frame may not. */
export interface Identity {
  readonly model?: string;
  readonly producer: string;
  readonly producerEpoch: number;
  readonly sequence: number;
  readonly base: number;
}

/** Makes forms of checked gradients; as they are unless told. */
export type EncodeForms<Name extends string = string> = (tensors: Gradients<Name>['tensors']) => readonly Form<Name>[];

/**
 * A gradients frame of a batch that fits `model`; `encode` packs what was checked.
 *
 * @throws GradwireError the codes of {@link checkGradients}; `E_FRAME` for labels that a frame cannot carry.
 */
export function encodeGradients<Name extends string>(
  model: Layout<Name>,
  identity: Identity,
  batch: Labelled<Name>,
  { encode, ...options }: CheckOptions & { readonly encode?: EncodeForms<Name> } = {},
): Uint8Array<ArrayBuffer> {
  const metadata = labelsOf(identity, batch);
  const { tensors } = checkGradients(model, batch.gradients, options);
  return serialize(entriesOf(encode === undefined ? tensors : encode(tensors)), metadata);
}

/** {@link encodeGradients} as floats, with what `deserialize` would read in the frame: whoever made it need not. */
export function encodeGradientsOpened<Name extends string>(
  model: Layout<Name>,
  identity: Identity,
  batch: Labelled<Name>,
  options?: CheckOptions,
): { readonly frame: Uint8Array<ArrayBuffer>; readonly opened: OpenedFrame } {
  const metadata = labelsOf(identity, batch);
  const { tensors } = checkGradients(model, batch.gradients, options);
  const { bytes, ...opened } = serializeOpened(entriesOf(tensors), metadata);
  return { frame: bytes, opened };
}

/** A batch and what its maker says of it. */
type Labelled<Name extends string> = Pick<Batch<Name>, 'gradients' | 'examples' | 'loss' | 'time'>;

/** A frame whose header has been read: its metadata, and its tensors as views. */
export type OpenedFrame = Pick<Safetensors, 'metadata' | 'tensors'>;

function labelsOf(identity: Identity, { examples, loss, time }: Labelled<string>): Record<string, string> {
  const metadata: Record<string, string> = { gradwire: frameFormat, kind: 'gradients' };
  if (identity.model !== undefined) metadata.model = identity.model;
  metadata.producer = identity.producer;
  metadata.producerEpoch = String(identity.producerEpoch);
  metadata.sequence = String(identity.sequence);
  metadata.base = String(identity.base);
  if (examples !== undefined) metadata.examples = String(examples);
  if (loss !== undefined && Number.isFinite(loss)) metadata.loss = String(loss);
  if (time !== undefined) metadata.time = String(time);
  readGradientsHeader(metadata);
  return metadata;
}

/**
 * Reads a gradients frame and checks it against `model`. Values are views of the frame.
 *
 * @throws GradwireError `E_ST_…` for the buffer, `E_FRAME` or `E_FORMAT` for its metadata, and the codes of {@link checkGradients}.
 */
export function decodeGradients<Name extends string>(
  frame: Uint8Array,
  model: Layout<Name>,
  options?: CheckOptions,
): GradientsFrame<Name> {
  const { metadata, tensors } = deserialize(frame);
  return readGradients(metadata, tensors, model, options);
}

/** {@link decodeGradients} for a buffer that has been deserialized already, and of one of the `formats`; of a frame's unless told. */
export function readGradients<Name extends string>(
  metadata: Metadata,
  tensors: Parameters<typeof formsIn>[0],
  model: Layout<Name>,
  options?: CheckOptions,
  formats?: readonly string[],
): GradientsFrame<Name> {
  const header = readGradientsHeader(metadata, { formats });
  return { header, gradients: checkTensors(model, formsIn(tensors, model).map(gradientIn), options) };
}

/** What the header may be of. */
export interface HeaderOptions {
  readonly kind?: 'gradients' | 'rollback';
  /** The formats that are read; that of frames from outside unless told. */
  readonly formats?: readonly string[] | undefined;
}

/** The header alone, of gradients unless told; throws `E_FRAME` where it is not whole. */
export function readGradientsHeader(metadata: Metadata, { kind = 'gradients', formats }: HeaderOptions = {}): GradientsHeader {
  demandKind(metadata, kind, formats);
  const producer = text(metadata, 'producer');
  if (!isPrintable(producer))
    throw new GradwireError('E_FRAME', `the producer ${quote(producer)} has control characters; nothing was applied`);
  return {
    model: metadata.model,
    producer,
    producerEpoch: optionalCount(metadata, 'producerEpoch') ?? 0,
    sequence: count(metadata, 'sequence'),
    base: count(metadata, 'base'),
    examples: optionalCount(metadata, 'examples'),
    loss: optionalNumber(metadata, 'loss'),
    time: optionalNumber(metadata, 'time'),
  };
}
