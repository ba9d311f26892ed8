// A worker process: predicts flights with the live weights, learns from them, and pushes the gradients to the trainer.
import { setTimeout } from 'node:timers/promises';
import { connect } from 'gradwire/sockets';
import { runChild, tell } from '../support/child.ts';
import { ranges } from '../support/ranges.ts';
import { Learner } from './learner.ts';
import type { WorkerMessage } from './messages.ts';
import { Prequential } from './metrics.ts';
import { emptyFlights, FlightSource } from './source.ts';

const [url, producer, batchText, inFlightText] = process.argv.slice(2);
const batch = Number(batchText);
const inFlight = Number(inFlightText);
const reportEveryMs = 250;
const catchUpMs = 5;

const score = new Prequential();
let recent = { batches: 0, stalenessSum: 0, stalenessMax: 0 };

runChild(async () => {
  const worker = connect(url, { role: 'worker', producer });
  await worker.ready;
  const reporting = setInterval(report, reportEveryMs);
  const source = new FlightSource();
  const flights = emptyFlights(batch);
  const learner = new Learner();
  const unanswered = new Set<Promise<void>>();

  async function push(): Promise<void> {
    const base = worker.version;
    const { rows, values, loss } = learner.learn(flights, worker.weights.get('weights'), score);
    const { version } = await worker.push({ gradients: { weights: { rows, values } }, base, examples: flights.count, loss });
    note(version - 1 - base);
  }

  for await (const { start, count: length } of ranges()) {
    for (let i = 0; i < length; i += batch) {
      const decoded = await source.read(start + i, Math.min(batch, length - i), flights);
      if (decoded) await setTimeout(catchUpMs); // decoding kept the updates waiting
      while (unanswered.size >= inFlight) await Promise.race(unanswered);
      const answered = push().finally(() => unanswered.delete(answered));
      unanswered.add(answered);
    }
  }
  await Promise.all(unanswered);
  clearInterval(reporting);
  await worker.close();
  report();
  tell<WorkerMessage>({ type: 'done' });
});

function note(staleness: number): void {
  recent.batches++;
  recent.stalenessSum += staleness;
  recent.stalenessMax = Math.max(recent.stalenessMax, staleness);
}

function report(): void {
  tell<WorkerMessage>({ type: 'report', report: { counts: score.take(), ...recent } });
  recent = { batches: 0, stalenessSum: 0, stalenessMax: 0 };
}
