// First question: how many updates reach how many replicas, beside bare ws, socket.io and NATS.
import { defined, ratio } from '../kernel/spread.ts';
import { alternate, rateRow } from '../recordings/rounds.ts';
import type { Row, Scale, Table } from '../report.ts';
import type { Sender } from './orders.ts';
import { Readers } from './reading.ts';
import { hasNats, type Sending, start } from './senders.ts';

interface Case {
  readonly bytes: number;
  readonly replicas: number;
  /** Updates in a turn of the event loop. */
  readonly burst: number;
}

// what a round of a case delivers, at most
const roundBytes = 96 << 20;
const roundDeliveries = 100_000;

/** A row for each case and sender: each update in a turn of its own, and small ones in bursts. */
export async function broadcastTables({ smoke }: Scale): Promise<Table[]> {
  const sizes = smoke ? [256] : [256, 4 << 10, 64 << 10, 1 << 20, 4 << 20];
  const replicas = smoke ? [2] : [1, 10, 100, 1000];
  const single: Case[] = sizes.flatMap((bytes) =>
    replicas.filter((count) => bytes * count <= 512 << 20).map((count) => ({ bytes, replicas: count, burst: 1 })),
  );
  const bursts: Case[] = replicas.map((count) => ({ bytes: 256, replicas: count, burst: 64 }));
  const rounds = smoke ? 1 : 5;
  const caption = [
    'Deliveries per second: messages read by all replicas together, which are plain sockets in another process that read headers and count.',
    'An update is one dense float32 tensor of that many bytes in its frame; the peers send the same bytes, prepared once.',
    'The next updates are sent when all replicas are at most two windows behind.',
  ].join('\n');
  return [
    { title: 'broadcast, each update in a turn of its own', caption, rows: await rowsOf(single, rounds) },
    { title: 'broadcast, 64 updates in a turn (saturation)', rows: await rowsOf(bursts, rounds) },
  ];
}

async function rowsOf(cases: readonly Case[], rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const each of cases) rows.push(...(await compare(each, rounds)));
  return rows;
}

async function compare(given: Case, rounds: number): Promise<Row[]> {
  const { bytes, replicas, burst } = given;
  const senders: Sender[] = ['gradwire', 'ws', 'socket.io', ...(hasNats() && bytes < 1 << 20 ? (['nats'] as const) : [])];
  const stands = await Promise.all(senders.map((sender) => Stand.open(sender, given)));
  const timings = await alternate(
    stands.map((stand, i) => ({ what: senders[i], run: () => stand.round() })),
    rounds,
  );
  for (const stand of stands) await stand.close();
  const size = bytes < 1 << 20 ? (bytes < 1024 ? `${bytes} B` : `${bytes >> 10} KiB`) : `${bytes >> 20} MiB`;
  return timings.map((timing, i) => ({
    ...rateRow(timing, 'deliveries/s', 1),
    what: `${size}, ${replicas} replica${replicas === 1 ? '' : 's'}${burst > 1 ? `, bursts of ${burst}` : ''}: ${senders[i]}`,
    ...defined({ 'gradwire / this': ratio(timing, timings[0]) }),
  }));
}

/** One sender with its readers. */
class Stand {
  readonly #sending: Sending;
  readonly #readers: Readers;
  readonly #case: Case;
  readonly #window: number;
  #windows = 0;

  private constructor(sending: Sending, readers: Readers, given: Case, window: number) {
    this.#sending = sending;
    this.#readers = readers;
    this.#case = given;
    this.#window = window;
  }

  static async open(sender: Sender, given: Case): Promise<Stand> {
    const { bytes, replicas, burst } = given;
    const sending = await start(sender, bytes, replicas);
    const perWindow = Math.floor((4 << 20) / ((bytes + 500) * replicas) / burst) * burst;
    const window = Math.max(burst, Math.min(512, perWindow));
    const readers = await Readers.open({ peer: sender, port: sending.port, count: replicas, window });
    return new Stand(sending, readers, given, window);
  }

  /** Seconds for one delivery, from the first that is sent until the last has been read. */
  async round(): Promise<number> {
    const { bytes, replicas, burst } = this.#case;
    const most = Math.min(roundBytes / ((bytes + 500) * replicas), roundDeliveries / replicas);
    const windows = Math.max(2, Math.floor(most / this.#window));
    const begun = performance.now();
    for (let window = 0; window < windows; window++) {
      await this.#readers.past(this.#windows - 1);
      for (let i = 0; i < this.#window; i++) {
        this.#sending.send();
        if ((i + 1) % burst === 0) await new Promise(setImmediate);
      }
      this.#windows += 1;
    }
    await this.#readers.past(this.#windows);
    return (performance.now() - begun) / 1000 / (windows * this.#window * replicas);
  }

  async close(): Promise<void> {
    await this.#readers.close();
    await this.#sending.close();
  }
}
