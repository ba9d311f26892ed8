// What stands between the fold and the replicas: the gate, the hook that is asked at it, and rollbacks.

import type { Admitted, Step } from '../operators/flow.ts';
import { Gate } from '../operators/gate.ts';
import type { Control } from '../sockets/index.ts';
import { acknowledge } from './acknowledge.ts';
import type { Held } from './held.ts';
import type { TrainerOptions } from './options.ts';
import { Rollbacks, type RolledBack } from './rollbacks.ts';
import type { TrainerServer } from './server.ts';

/** Who is asked, and who is told. */
interface GuardingOptions extends Pick<TrainerOptions, 'guard' | 'directory'> {
  /** Hears of each step that is held back, for recorders. */
  readonly server: Pick<TrainerServer, 'record'>;
  readonly onError: (error: unknown) => void;
}

/** One trainer's guarded publishing. */
export class Guarding<Name extends string = string> implements Control {
  readonly gate: Gate<Name>;
  readonly rollbacks: Rollbacks<Name>;
  readonly #held: Held<Name>;

  constructor(held: Held<Name>, { guard, directory, server, onError }: GuardingOptions) {
    this.#held = held;
    held.guarding = this;
    const onHeld = (step: Step<Name, Admitted<Name>>): void => {
      server.record(step);
      acknowledge(step);
    };
    const onRollback = (version: number): void => void this.rollbacks.follow(version).catch(onError);
    this.gate = new Gate({ version: held.version(), guard, onHeld, onRollback, onError });
    this.rollbacks = new Rollbacks(held, this.gate, directory);
  }

  hold(reason?: string): void {
    this.gate.hold(reason);
  }

  async release(): Promise<number> {
    // a step may be on its way through the pipe in this very turn
    await undefined;
    this.gate.release();
    return this.#held.version();
  }

  rollback(version: number): Promise<RolledBack> {
    return this.rollbacks.rollBack(version);
  }
}
