// A replica that reads frames with the strict reader, which says of each malformed one what is wrong with it.
import { deserialize } from './frames/safetensors.ts';
import { BaseReplica } from './replica.ts';

/** Weights that follow a trainer's frames bit for bit. It does no input or output: see `connect` in gradwire/sockets for that. */
export class Replica<Name extends string = string> extends BaseReplica<Name> {
  constructor() {
    super(deserialize);
  }
}
