// record: a tap that writes every batch that passes to a recording, and passes it on once it is written.
import { concatWith, defer, ignoreElements, type MonoTypeOperatorFunction, map, type Observable } from 'rxjs';
import { refuseUnknownOptions } from '../../../src/errors.ts';
import { hyperparametersOf } from '../../../src/rmsprop/options/options.ts';
import { groupCommit } from '../journal/group-commit.ts';
import { refuseDurability, refuseName } from '../journal/options.ts';
import { closing } from './closing.ts';
import { type Recordable, Recorder, type RecordOptions } from './recorder.ts';

const names = ['model', 'name', 'optimizer', 'durability', 'clock', 'create'];

/**
 * Records what passes to a new file, one for each subscription: bare gradients, batches, admitted batches, or those of
 * {@link replay}. Each value passes unchanged and in order once its record is written. Bare gradients get the producer
 * `local`, and numbers and bases that count up.
 *
 * Under load all that waits is written at once; what waits has no limit of its own, so the source should not run ahead.
 * The file is closed, with a summary, when the source ends or fails; when the stream is unsubscribed, what had not passed
 * may be missing from it. A run that ends without a value makes a recording without one; one that fails before makes none.
 *
 * Errors: `E_FILE` where the file is there already, `E_DISK`, and the codes of a batch that does not fit. Bad options throw `E_CONFIG` here.
 */
export function record<Name extends string, Value extends Recordable<Name>>(
  path: string,
  options: RecordOptions<Name>,
): MonoTypeOperatorFunction<Value> {
  refuseUnknownOptions('record', options, names);
  hyperparametersOf(options.optimizer ?? {});
  refuseName(options.name ?? 'default');
  refuseDurability(options.durability ?? 'os');
  const pass = options.durability === 'none' ? 'before' : 'after';
  return (source) => defer(() => recorded(source, new Recorder(path, options), pass));
}

function recorded<Name extends string, Value extends Recordable<Name>>(
  source: Observable<Value>,
  recorder: Recorder<Name>,
  pass: 'after' | 'before',
): Observable<Value> {
  return source.pipe(
    map((value) => ({ value, prepared: recorder.prepare(value) })),
    groupCommit({
      write: (group) => recorder.append(group.map(({ prepared }) => prepared)),
      sizeOf: ({ prepared }) => prepared.byteLength,
      pass,
    }),
    map(({ value }) => value),
    concatWith(defer(() => recorder.begin()).pipe(ignoreElements())),
    closing(recorder),
  );
}
