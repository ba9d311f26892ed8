// What both pages are made of: their elements, their figures, digits fetched from the trainer, and the status of a connection.
import type { ConnectionStatus } from 'gradwire/sockets';
import { type Digits, pixelCount } from '../../mnist/network.ts';

/** The element with that id. Throws where the page has none of that kind. */
export function element<Kind extends Element>(id: string, kind: abstract new (...parameters: never[]) => Kind): Kind {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${kind.name} with the id ${id}`);
}

/** Writes figures into the elements of those ids. */
export function tell(figures: Readonly<Record<string, string>>): void {
  for (const [id, text] of Object.entries(figures)) {
    const place = element(id, HTMLElement);
    if (place.textContent !== text) place.textContent = text;
  }
}

/** A whole number with thousands separated. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** A share as in `97.1 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Shows how a connection stands. */
export function tellStatus({ state, reason }: ConnectionStatus): void {
  const place = element('status', HTMLElement);
  place.dataset.state = state;
  tell({ status: state, reason: reason ?? '' });
}

/** Shows what ended a page's work, in its words. */
export function tellError(error: unknown): void {
  tell({ reason: error instanceof Error ? error.message : String(error) });
}

/** Digits from the trainer: their pixels, then a byte for each label. */
export async function fetchDigits(path: string): Promise<Digits> {
  const bytes = new Uint8Array(await (await fetchOk(path)).arrayBuffer());
  const count = bytes.byteLength / (pixelCount + 1);
  return { count, pixels: bytes.subarray(0, count * pixelCount), labels: bytes.subarray(count * pixelCount) };
}

/** What is at an address of the trainer. Throws where that is an error. */
export async function fetchOk(path: string): Promise<Response> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} is answered with ${response.status}`);
  return response;
}
