// The replicas seen from the main process: where each stands while the stream runs, and its digest at the end.
import { setTimeout as delay } from 'node:timers/promises';
import { type Member, startMember } from '../support/crew.ts';
import type { ReplicaMessage, ReplicaQuestion } from './messages.ts';

/** Where a replica stood when last asked; `version` is undefined until it has the weights. */
export interface Position {
  readonly name: string;
  readonly version?: number;
  /** Versions it still lacked of the trainer's when it was asked. */
  readonly lag: number;
  /** xxHash64 of the weights it holds, once it has been asked at the end. */
  readonly digest?: string;
}

// how long a replica may take at the end to reach the trainer's version
const finishTimeoutMs = 30_000;

/** The replica processes of a run. */
export class Replicas {
  readonly #replicas: readonly ReplicaProcess[];

  /** Starts `count` replicas of the trainer at `url`; `trouble` hears, in one line, of one that ended early. */
  constructor({ url, count, trouble }: { url: string; count: number; trouble: (line: string) => void }) {
    this.#replicas = Array.from({ length: count }, (_, i) => new ReplicaProcess(i + 1, url, trouble));
  }

  get positions(): Position[] {
    return this.#replicas.map(({ position }) => position);
  }

  /** Asks every replica where it stands against the trainer's `version`; the answers arrive in {@link positions}. */
  ask(version: number): void {
    for (const { member } of this.#replicas) member.send({ type: 'where', version });
  }

  /** Waits until every replica has reached `version` and given its digest, or has ended; then lets them go. */
  async finish(version: number): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.finish(version)));
  }
}

class ReplicaProcess {
  readonly member: Member<ReplicaMessage, ReplicaQuestion>;
  position: Position;
  readonly #final: Promise<void>;

  constructor(number: number, url: string, trouble: (line: string) => void) {
    this.member = startMember(import.meta.url, { role: 'replica', number, args: [url] });
    const { name, ended } = this.member;
    this.position = { name, lag: 0 };
    this.#final = new Promise((resolve) => {
      this.member.onMessage((message) => {
        if (message.type === 'failed') return;
        const { type, ...where } = message;
        this.position = { ...this.position, ...where };
        if (type === 'final') resolve();
      });
    });
    void ended.then((reason) => {
      if (this.position.digest === undefined) trouble(reason ?? `${name} ended before it had the final weights`);
    });
  }

  async finish(version: number): Promise<void> {
    this.member.send({ type: 'finish', version });
    await Promise.race([this.#final, this.member.ended, delay(finishTimeoutMs, undefined, { ref: false })]);
    this.member.dismiss();
    await this.member.ended;
  }
}
