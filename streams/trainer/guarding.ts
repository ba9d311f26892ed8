// What stands between the fold and the replicas: the gate, the hook that is asked at it, and rollbacks.
import { Gate } from '../operators/gate.ts';
import type { Control } from '../sockets/index.ts';
import type { Held } from './held.ts';
import type { TrainerOptions } from './options.ts';
import { Rollbacks, type RolledBack } from './rollbacks.ts';

/** Who is asked, and who is told. */
interface GuardingOptions extends Pick<TrainerOptions, 'guard' | 'directory' | 'source'> {
  readonly onError: (error: unknown) => void;
}

/** One trainer's guarded publishing. */
export class Guarding<Name extends string = string> implements Control {
  readonly gate: Gate<Name>;
  readonly rollbacks: Rollbacks<Name>;
  readonly #held: Held<Name>;

  constructor(held: Held<Name>, { guard, directory, source, onError }: GuardingOptions) {
    this.#held = held;
    held.guarding = this;
    const onRollback = (version: number): void => void this.rollbacks.follow(version).catch(onError);
    this.gate = new Gate({ version: held.version(), guard, onRollback, onError });
    this.rollbacks = new Rollbacks(held, this.gate, { directory, isFollowing: source !== undefined });
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
