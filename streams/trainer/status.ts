// What a trainer says of itself, under `trainer.status()` and `GET /models/<model>`.
import type { EncodingName } from '../../src/encodings/names.ts';
import type { RMSprop } from '../../src/rmsprop/rmsprop.ts';
import type { AdmissionStatus } from '../operators/admission/tally.ts';
import type { Hold } from '../operators/gate.ts';

/** What `trainer.status()` says, and `GET /models/<model>` with the digest and the connections beside it. */
export interface TrainerStatus extends AdmissionStatus {
  /** The model's name. */
  readonly model: string;
  readonly run: string;
  readonly epoch: number;
  /** The published version. */
  readonly version: number;
  /** The version folded, durable and acknowledged; above `version` while publication is held, or several versions make an update. */
  readonly folded: number;
  /** Why publication is held and since which version; null where it is not. */
  readonly held: Hold | null;
  /** In which encoding updates go out. */
  readonly encoding: EncodingName;
  /** Shapes by name. */
  readonly layout: Record<string, number[]>;
  /** The optimizer's configuration. */
  readonly optimizer: ReturnType<RMSprop['getConfig']>;
  /** The learning rate of the next step. */
  readonly learningRate: number;
  /** Examples learned, as the batches said. */
  readonly examples: number;
  /** Producers remembered. */
  readonly producers: number;
  /** The segment being written, null without a directory. */
  readonly recording: string | null;
  /** Bytes of all segments. */
  readonly recordingBytes: number;
  /** The newest snapshot, null where there is none. */
  readonly snapshot: string | null;
  /** Why no batches are taken at the moment, null where they are. */
  readonly trouble: string | null;
}
