// Recordings: what durability costs, how fast a run is read back, and how long a snapshot holds the stream.
import { Child } from '../child.ts';
import type { Report, Scale, Table } from '../report.ts';
import { fileSystem } from './place.ts';
import type { Question } from './question.ts';

const questions: readonly Question['about'][] = [
  'journal',
  'small batches',
  'trainer',
  'replay of flights',
  'replay of 64 KiB',
  'recovery',
  'snapshot',
];

/** All tables, one after the other, each by a process of its own: about six minutes, or seconds where `smoke` is true. */
export async function recordings(scale: Scale): Promise<Report> {
  const tables: Table[] = [];
  for (const about of questions) {
    const child = new Child('recordings/question.js');
    const question: Question = { about, ...scale };
    try {
      tables.push(await child.ask<Table>(question));
    } finally {
      await child.end();
    }
  }
  return { versions: { disk: fileSystem() }, tables };
}
