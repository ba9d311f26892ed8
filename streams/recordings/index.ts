// The names of `gradwire/recordings`: recordings of gradient streams, their replay, and the journal of a trainer.
export type { RecordedBatch } from './batches.ts';
export type { ReadProgress } from './chunks.ts';
export { type FoldStart, foldFrom } from './fold-from.ts';
export { type Journal, type JournalStart, openJournal, type RecoveryReport } from './journal.ts';
export type { JournalOptions } from './journal-options.ts';
export { record } from './record.ts';
export type { Recordable, RecordOptions } from './recorder.ts';
export { openRecording, type Recording, type RecordingSegment } from './recording.ts';
export { type ReplayOptions, replay } from './replay.ts';
export type { Durability } from './segment/writer.ts';
export type { TornTail } from './torn.ts';
