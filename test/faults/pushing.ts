// Workers that push without a pause, come back by themselves, and log each ack; what they sent is seen on the wire.
import { firstValueFrom, merge, Subject } from 'rxjs';
import { WebSocket } from 'ws';
import { digestOf } from '../../src/digest.ts';
import { deserialize } from '../../src/frames/safetensors.ts';
import type { GradientRecord } from '../../src/gradients/batch.ts';
import { connect, type RemoteWorker, type SocketClass, type WorkerOptions } from '../../streams/sockets/index.ts';
import { chance, type Random, whole } from '../support/random.ts';

/** The model that is trained: tables, of which a batch touches few rows, and dense tensors. */
export const shapes = { table: [2048, 8], kernel: [64, 16], bias: [64] } as const;
export type Name = keyof typeof shapes;

/** An acknowledged batch. */
export interface Acked {
  /** `producer/producerEpoch/sequence`. */
  readonly key: string;
  readonly version: number;
  readonly duplicate: boolean;
  /** xxHash64 of the frame as it was sent. */
  readonly payload: string;
}

/** A batch of any kind. */
function batchOf(random: Random): GradientRecord<Name> {
  const values = (length: number): Float32Array => Float32Array.from({ length }, () => random() * 2 - 1);
  const table = { rows: Int32Array.from({ length: 4 }, () => whole(random, 0, 2047)), values: values(32) };
  const kind = random();
  return kind < 0.6 ? { table } : kind < 0.9 ? { table, bias: values(64) } : { bias: values(64) };
}

/** One worker on a real WebSocket with some pushes under way at any time. Whoever starts it stops it. */
export class Pushing {
  readonly worker: RemoteWorker<Name>;
  readonly acks: Acked[] = [];
  /** Emits when an ack has come, before anything is made of it. */
  readonly heard$: Subject<void> = new Subject();
  /** Sendings of a frame that had been sent before. */
  resends = 0;
  /** Pushes that were rejected, by code. */
  readonly refused = new Map<string, number>();
  /** Frames that were sent again with other bytes; none may be. */
  changed = 0;
  readonly #random: Random;
  readonly #sent = new Map<number, Pick<Acked, 'key' | 'payload'>>();
  /** Calls of `push`. */
  pushed = 0;
  #stopping = false;
  readonly #lanes: Promise<void>[];

  constructor(url: string, options: Omit<WorkerOptions, 'role'> & { producer: string; seed: number }) {
    const { seed, ...rest } = options;
    this.#random = chance(seed);
    const WebSocket = tapped({ sent: (frame) => this.#note(frame), acked: () => this.heard$.next() });
    this.worker = connect<Name>(url, { backoffMinMs: 2, backoffMaxMs: 16, ...rest, role: 'worker', WebSocket });
    this.#lanes = Array.from({ length: 8 }, () => this.#push());
  }

  /** Pushes no more; resolves when everything that was pushed is answered. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#lanes);
  }

  /** Ends at once: what is not answered is rejected. */
  async close(): Promise<void> {
    // told first: a lane whose every push is rejected in the same turn would leave no turn for the socket to close in
    const stopped = this.stop();
    await this.worker.close();
    await stopped;
  }

  async #push(): Promise<void> {
    while (!this.#stopping) {
      // numbered in the order of the calls, from 1
      const sequence = ++this.pushed;
      await this.worker.push({ gradients: batchOf(this.#random), examples: 4 }).then(
        ({ version, duplicate }) => this.#acked(sequence, version, duplicate),
        ({ code }: { code: string }) => this.refused.set(code, (this.refused.get(code) ?? 0) + 1),
      );
    }
  }

  #acked(sequence: number, version: number, duplicate: boolean): void {
    const sent = this.#sent.get(sequence) ?? { key: 'never sent', payload: '' };
    this.#sent.delete(sequence);
    this.acks.push({ ...sent, version, duplicate });
  }

  #note(frame: Uint8Array): void {
    const payload = digestOf(frame);
    const { producer, producerEpoch, sequence } = deserialize(frame).metadata;
    const before = this.#sent.get(Number(sequence));
    if (before !== undefined) this.resends += 1;
    if (before !== undefined && before.payload !== payload) this.changed += 1;
    this.#sent.set(Number(sequence), { key: `${producer}/${producerEpoch}/${sequence}`, payload });
  }
}

/** Resolves at the next ack that one of the workers hears. */
export async function nextAck(workers: readonly Pushing[]): Promise<void> {
  await firstValueFrom(merge(...workers.map(({ heard$ }) => heard$)));
}

/** ws' WebSocket, which tells of each binary message that is sent, and of each ack that comes. */
function tapped({ sent, acked }: { sent: (frame: Uint8Array) => void; acked: () => void }): SocketClass {
  class Tapped extends WebSocket {
    constructor(...all: ConstructorParameters<typeof WebSocket>) {
      super(...all);
      this.on('message', (data, isBinary) => {
        if (!isBinary && data.toString().startsWith('{"type":"ack"')) acked();
      });
    }
    override send(data: string | Uint8Array, ...rest: never[]): void {
      if (typeof data !== 'string') sent(data);
      super.send(data, ...rest);
    }
  }
  return Tapped as unknown as SocketClass;
}
