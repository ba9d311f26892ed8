// Weights that are not there yet: no tensors, and an error that says so where one is asked for.
import { GradwireError, quote } from './errors.ts';
import { layout } from './layout.ts';
import { Tensors } from './tensors.ts';

/** What stands for a replica's weights before the first have come. */
export class NoTensors<Name extends string = string> extends Tensors<Name> {
  constructor() {
    super(layout<Name>([]));
  }

  /** Throws `E_NOT_READY`. */
  override get(name: Name): Float32Array {
    throw new GradwireError('E_NOT_READY', `${quote(name)}: no weights have arrived yet; wait for \`ready\``);
  }
}
