// A round becomes a batch: the mean of its parts, with a frame of its own and the names of all who made it.
import { digestOf } from '../../../src/digest.ts';
import { GradwireError } from '../../../src/errors.ts';
import { decodeGradients, encodeGradients } from '../../../src/frames/gradients.ts';
import type { CheckOptions } from '../../../src/gradients/check.ts';
import { labelsOfMean, meanOf } from '../../../src/gradients/mean.ts';
import type { Layout } from '../../../src/layout.ts';
import type { Admitted } from '../flow.ts';
import type { Round } from './rounds.ts';

/** The producer that the frame of a mean names; by its parts it is told from a producer of that name. */
const roundProducer = 'synchronous';

/** The batch that folding a round makes into `version`. */
export function meanBatch<Name extends string>(
  round: Round<Name>,
  version: number,
  model: Layout<Name>,
  { name, maxAbs }: { readonly name: string; readonly maxAbs: CheckOptions['maxAbs'] },
): Omit<Admitted<Name>, 'answer'> {
  const headers = round.map(({ header }) => header);
  const base = headers.reduce((least, each) => Math.min(least, each.base), Number.MAX_SAFE_INTEGER);
  const identity = { model: name, producer: roundProducer, producerEpoch: 0, sequence: version, base };
  const batches = round.map(({ checked }) => checked);
  const encode = (dense: boolean): Uint8Array<ArrayBuffer> =>
    encodeGradients(model, identity, { gradients: meanOf(batches, { dense }), ...labelsOfMean(headers) }, { maxAbs });
  const frame = inRows(encode) ?? encode(true);
  // read as a recovery will read it
  const { header, gradients: checked } = decodeGradients(frame, model, { maxAbs });
  const parts = round.map(({ header: { producer, producerEpoch, sequence }, payload }) => {
    return { producer, producerEpoch, sequence, payload };
  });
  return { frame, header, checked, version, payload: digestOf(frame), parts };
}

// the rows of thousands of tables together may be more tensors than a header takes; the model itself, dense, is not
function inRows(encode: (dense: boolean) => Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | undefined {
  try {
    return encode(false);
  } catch (error) {
    if (error instanceof GradwireError && error.code.startsWith('E_ST_')) return undefined;
    throw error;
  }
}
