// A small plot as an SVG file of its own: axes with ticks, a line for each series, a legend, a title.
import { type Scale, scaleOf, ticksOf, tickText } from './scale.ts';

/** One line of a plot; points that are not finite are left out. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a plot shows. */
export interface PlotOptions {
  readonly title: string;
  /** What stands at the axes. */
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** Small print below the plot. */
  readonly note?: string;
}

// pixels: the plot's own area, and what is around it
const area = { left: 80, top: 44, width: 560, height: 330 };
const legend = { left: 664, lineHeight: 18, letter: 6.6 };
const bottom = 66;
// told apart by those who see few colours too, on white
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#7a5cc4', '#a67c00', '#333333', '#56b4e9'];
const dashes = ['', '6 3', '2 3', '8 3 2 3'];

/** The plot as SVG text: valid XML, on a background of its own, with nothing from outside. Values that span more than two decades are on a logarithmic scale. */
export function plot({ title, x, y, series, note = '' }: PlotOptions): string {
  const points = series.flatMap((each) => each.points).filter(([, value]) => Number.isFinite(value));
  const across = scaleOf(
    points.map(([place]) => place),
    { from: area.left, to: area.left + area.width },
  );
  const up = scaleOf(
    points.map(([, value]) => value),
    { from: area.top + area.height, to: area.top, mayBeLog: true },
  );
  const longest = Math.max(...series.map(({ name }) => short(name).length), 0);
  const width = Math.ceil(legend.left + 32 + longest * legend.letter + 16);
  const height = Math.max(area.top + area.height + bottom, area.top + series.length * legend.lineHeight + 20);
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#222">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(title, { x: area.left, y: 26, more: 'font-size="15" font-weight="600"' }),
    ...axis(across, 'across'),
    ...axis(up, 'up'),
    text(x, { x: area.left + area.width / 2, y: area.top + area.height + 38, more: 'text-anchor="middle"' }),
    `<g transform="translate(18 ${area.top + area.height / 2}) rotate(-90)">${text(`${y}${up.log ? ' (log)' : ''}`, { x: 0, y: 0, more: 'text-anchor="middle"' })}</g>`,
    ...series.flatMap((each, i) => [line(each, i, { across, up }), ...entry(each.name, i)]),
    text(note, { x: area.left, y: area.top + area.height + 58, more: 'font-size="10" fill="#666"' }),
    '</svg>',
  ];
  return `<?xml version="1.0" encoding="UTF-8"?>\n${lines.join('\n')}\n`;
}

function axis(scale: Scale, direction: 'across' | 'up'): string[] {
  const right = area.left + area.width;
  const low = area.top + area.height;
  return ticksOf(scale).flatMap((tick) => {
    const place = fixed(scale.place(tick));
    const [from, to] =
      direction === 'across'
        ? [`x1="${place}" y1="${area.top}"`, `x2="${place}" y2="${low}"`]
        : [`x1="${area.left}" y1="${place}"`, `x2="${right}" y2="${place}"`];
    const label =
      direction === 'across'
        ? text(tickText(tick), { x: place, y: low + 18, more: 'text-anchor="middle" fill="#555"' })
        : text(tickText(tick), { x: area.left - 8, y: Number(place) + 4, more: 'text-anchor="end" fill="#555"' });
    return [`<line ${from} ${to} stroke="#ddd"/>`, label];
  });
}

function line({ points }: Series, i: number, { across, up }: { readonly across: Scale; readonly up: Scale }): string {
  const places = points.filter(([, value]) => up.holds(value)).map(([x, y]) => `${fixed(across.place(x))},${fixed(up.place(y))}`);
  // a single point has no line
  if (places.length === 1) {
    const [x, y] = places[0].split(',');
    return `<circle cx="${x}" cy="${y}" r="3" fill="${colours[i % colours.length]}"/>`;
  }
  return `<polyline points="${places.join(' ')}" fill="none" ${stroke(i)}/>`;
}

function entry(name: string, i: number): string[] {
  const y = area.top + 6 + i * legend.lineHeight;
  return [
    `<line x1="${legend.left}" y1="${y}" x2="${legend.left + 24}" y2="${y}" ${stroke(i)}/>`,
    text(short(name), { x: legend.left + 32, y: y + 4 }),
  ];
}

function stroke(i: number): string {
  const dash = dashes[Math.floor(i / colours.length) % dashes.length];
  return `stroke="${colours[i % colours.length]}" stroke-width="1.8"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}`;
}

function text(content: string, { x, y, more = '' }: { x: number | string; y: number; more?: string }): string {
  return `<text x="${x}" y="${y}" ${more}>${escaped(content)}</text>`;
}

function short(name: string): string {
  return name.length > 60 ? `${name.slice(0, 59)}…` : name;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

/** Text that XML takes: its marks escaped, what it does not know replaced. */
function escaped(content: string): string {
  return content
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}
