// The update frame: what changed in the published weights from one version to a later one.
import { bytesOf, digestOf } from '../digest.ts';
import { type EncodingName, encodingNames } from '../encodings/names.ts';
import { GradwireError, quote } from '../errors.ts';
import type { Layout } from '../layout.ts';
import { entriesOf, type Form, formsIn } from './forms.ts';
import { sign, unsigned } from './header-check.ts';
import { count, demandKind, digestIn, frameFormat, json, optionalNumber, text } from './metadata.ts';
import { type Safetensors, serialize } from './safetensors.ts';

/** Where in a model's history a holder of weights stands. */
export interface Position {
  readonly run: string;
  readonly epoch: number;
  readonly version: number;
}

/** What an update says about itself. */
export interface UpdateHeader extends Position {
  readonly model: string;
  /** The version that it applies to. Where it is `version` itself, the update brings what an encoding dropped before: `f32` then. */
  readonly from: number;
  /** `f32`: the tensors hold new values; otherwise what to add. */
  readonly encoding: EncodingName;
  /** The learning rate of the last step in it. */
  readonly learningRate: number;
  /** The xxHash64 of all published weights at `version`; every 256 versions. */
  readonly digest?: string;
  /** The batches folded: producer, producerEpoch, sequence. */
  readonly folded: readonly (readonly [producer: string, producerEpoch: number, sequence: number])[];
}

/** An update frame read. */
export interface Update<Name extends string = string> {
  readonly header: UpdateHeader;
  readonly forms: readonly Form<Name>[];
}

/** An update frame of these forms, which are in the header's encoding. */
export function encodeUpdate(header: UpdateHeader, forms: readonly Form[]): Uint8Array<ArrayBuffer> {
  const entries = entriesOf(forms);
  const metadata: Record<string, string> = {
    header: unsigned,
    gradwire: frameFormat,
    kind: 'update',
    model: header.model,
    run: header.run,
    epoch: String(header.epoch),
    from: String(header.from),
    version: String(header.version),
    encoding: header.encoding,
    learningRate: String(header.learningRate),
    check: digestOf(...entries.map(([, { data }]) => bytesOf(data))),
    folded: JSON.stringify(header.folded),
  };
  if (header.digest !== undefined) metadata.digest = header.digest;
  return sign(serialize(entries, metadata));
}

/** Reads and checks an update for a model; values are views of the frame. Throws `E_FRAME`, `E_FORMAT`, `E_CHECK`, or a code of the forms. */
export function readUpdate<Name extends string>({ metadata, tensors, data }: Safetensors, model: Layout<Name>): Update<Name> {
  demandKind(metadata, 'update');
  const header: UpdateHeader = {
    model: text(metadata, 'model'),
    run: text(metadata, 'run'),
    epoch: count(metadata, 'epoch'),
    from: count(metadata, 'from'),
    version: count(metadata, 'version'),
    encoding: encodingIn(metadata),
    learningRate: optionalNumber(metadata, 'learningRate') ?? Number.NaN,
    digest: metadata.digest === undefined ? undefined : digestIn(metadata, 'digest'),
    folded: json(metadata, 'folded') as UpdateHeader['folded'],
  };
  const found = digestOf(data);
  if (found !== digestIn(metadata, 'check')) {
    throw new GradwireError(
      'E_CHECK',
      `update ${header.version} has the check ${found}, its header says ${metadata.check}; nothing was applied`,
    );
  }
  return { header, forms: formsIn(tensors, model) };
}

function encodingIn(metadata: Safetensors['metadata']): EncodingName {
  const name = text(metadata, 'encoding');
  const known = encodingNames.find((each) => each === name);
  if (known !== undefined) return known;
  throw new GradwireError('E_FORMAT', `the update encoding ${quote(name)}, this release reads ${encodingNames.join(', ')}`);
}
