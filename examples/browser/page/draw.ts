// The page that follows: a model in the tab has the trainer's newest weights, and reads what is drawn.
import { connect } from 'gradwire/sockets';
import { assignTo } from 'gradwire/tfjs';
import { auditTime, startWith } from 'rxjs';
import { accuracyOf, examplesOf, network } from '../../mnist/network.ts';
import { element, fetchDigits, percent, tell, tellError, tellStatus, whole } from './parts.ts';
import { preprocess, side } from './preprocess.ts';
import { imageOf, Sketch } from './sketch.ts';
import { startTensorFlow } from './tensorflow.ts';

const scoreEveryMs = 1000;
const refreshMs = 100;

const tf = await startTensorFlow('/node_modules/@tensorflow/tfjs-backend-wasm/dist/');
const model = network(tf, 0);
const replica = connect(location.origin, { backoffMaxMs: 2000 });
const bars = Array.from(document.querySelectorAll<HTMLElement>('#bars li'));
const sketch = new Sketch(element('canvas', HTMLCanvasElement), () => recognize());

replica.status$.subscribe(tellStatus);
const assigned$ = replica.updates$.pipe(startWith(replica), assignTo(tf, model));
assigned$.subscribe({ next: () => recognize(), error: tellError });
replica.closed.catch(tellError);
setInterval(showFigures, refreshMs);
listen();
await replica.ready;

const digits = await fetchDigits('/digits/test');
const all = Array.from({ length: digits.count }, (_, i) => i);
const { xs } = examplesOf(tf, digits, all);
element('example', HTMLButtonElement).disabled = false;
replica.version$.pipe(auditTime(scoreEveryMs)).subscribe(showAccuracy);

/** Where the replica stands: the version, its age and its digest are of one moment. */
function showFigures(): void {
  if (!replica.readable) return;
  const { connections, resumed, reset } = replica.counts;
  replica.read((_, { version, ageMs }) => {
    tell({ version: whole(version), age: `${whole(ageMs)} ms`, digest: replica.digest() });
    element('digest', HTMLElement).dataset.version = String(version);
  });
  const came = connections < 2 ? '' : ` (${resumed} resumed, ${reset} anew)`;
  tell({ connections: `${connections}${came}` });
}

function showAccuracy(version: number): void {
  const share = accuracyOf(tf, model, xs, digits);
  tell({ accuracy: `${percent(share)} of ${digits.count} at version ${whole(version)}` });
  element('accuracy', HTMLElement).dataset.share = String(share);
}

/** What the model makes of the drawing, as bars and in words. */
function recognize(): void {
  const pixels = preprocess(sketch.ink);
  const seen = element('seen', HTMLCanvasElement);
  const context = seen.getContext('2d');
  context?.clearRect(0, 0, side, side);
  if (pixels !== undefined)
    context?.drawImage(
      imageOf(
        pixels.map((value) => value * 255),
        getComputedStyle(seen).color,
      ),
      0,
      0,
    );
  const shares = pixels === undefined || !replica.readable ? undefined : predict(pixels);
  const best = shares?.indexOf(Math.max(...shares)) ?? -1;
  for (const [i, bar] of bars.entries()) {
    const share = shares?.[i] ?? 0;
    bar.style.setProperty('--share', String(share));
    bar.classList.toggle('best', i === best);
    tell({ [`share-${i}`]: shares === undefined ? '' : percent(share) });
  }
  tell({ answer: shares === undefined ? '–' : String(best), sure: shares === undefined ? '' : `${percent(shares[best])} sure` });
}

function predict(pixels: Float32Array): number[] {
  return Array.from(
    tf.tidy(() => (model.predict(tf.tensor2d(pixels, [1, side * side])) as import('@tensorflow/tfjs').Tensor).dataSync()),
  );
}

function listen(): void {
  const canvas = element('canvas', HTMLCanvasElement);
  element('clear', HTMLButtonElement).addEventListener('click', () => sketch.clear());
  canvas.addEventListener('keydown', ({ key }) => {
    if (key === 'Delete' || key === 'Backspace' || key === 'Escape') sketch.clear();
  });
  element('example', HTMLButtonElement).addEventListener('click', () => {
    const at = Math.floor(Math.random() * digits.count) * side * side;
    sketch.show(digits.pixels.subarray(at, at + side * side));
  });
}
