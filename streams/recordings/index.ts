// The names of `gradwire/recordings`: recordings of gradient streams, their replay, and the journal of a trainer.
export type { RecordedBatch } from './history/batches.ts';
export type { ReadProgress } from './history/chunks.ts';
export { type FoldFromOptions, type FoldStart, foldFrom } from './history/fold-from.ts';
export { openRecording, type Recording, type RecordingSegment } from './history/recording.ts';
export { replay } from './history/replay.ts';
export type { ReplayOptions } from './history/replay-options.ts';
export { takeUntilVersion } from './history/take-until-version.ts';
export type { TornTail } from './history/torn.ts';
export { type Journal, type JournalStart, openJournal, type RecoveryReport } from './journal/journal.ts';
export type { JournalOptions } from './journal/options.ts';
export { record } from './record/record.ts';
export type { Recordable, RecordOptions } from './record/recorder.ts';
export type { Durability } from './segment/writer.ts';
