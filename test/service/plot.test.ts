// The plots of fork and sweep: valid SVG files with round ticks, whatever the values and names.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plot } from '../../streams/service/plot/plot.ts';
import { scaleOf, ticksOf, tickText } from '../../streams/service/plot/scale.ts';
import { problemsOf } from '../support/xml.ts';

const place = { from: 0, to: 100 };

test('names from outside are escaped, and the file holds nothing from elsewhere but its namespace', () => {
  const name = `<script>"a" & 'b'</script>\u0000\ud800`;
  const svg = plot({
    title: name,
    x: name,
    y: name,
    note: name,
    series: [
      {
        name,
        points: [
          [1, 2],
          [2, 3],
        ],
      },
    ],
  });
  assert.equal(problemsOf(svg), []);
  assert.not.match(svg, /<script|href|url\(|style=/);
  assert.match(svg, /&lt;script&gt;&quot;a&quot; &amp; 'b'/);
  assert.equal(svg.match(/https?:[^"]*/g), ['http://www.w3.org/2000/svg']);
  assert.match(svg, /<rect width="\d+" height="\d+" fill="#fff"\/>/);
});

test('control: what is no XML is seen', () => {
  for (const wrong of ['<svg><g></svg>', '<svg>a & b</svg>', '<svg></svg><svg></svg>', '<svg>a < b</svg>', '<svg/>text', '']) {
    assert.ok(problemsOf(wrong).length > 0, wrong);
  }
});

test('no values, one, equal ones, and ones that are not finite make a plot too', () => {
  for (const values of [[], [1], [5, 5, 5], [0, 0], [Number.NaN, 1, Number.POSITIVE_INFINITY], [-1e9, 1e9], [1e-300, 1e300]]) {
    const points = values.map((value, i) => [i + 1, value] as const);
    const svg = plot({
      title: 't',
      x: 'x',
      y: 'y',
      series: [
        { name: 'a', points },
        { name: 'none', points: [] },
      ],
    });
    assert.equal(problemsOf(svg), [], String(values));
    assert.not.match(svg, /NaN|Infinity|undefined/, String(values));
  }
});

test('each series is one line, told from the others by colour and dash', () => {
  const series = Array.from({ length: 30 }, (_, i) => ({
    name: `run ${i}`,
    points: [
      [1, i],
      [2, i + 1],
    ] as const,
  }));
  const svg = plot({ title: 't', x: 'x', y: 'y', series });
  const strokes = [...svg.matchAll(/<polyline [^>]*(stroke="#[^>]*)\/>/g)].map(([, stroke]) => stroke);
  assert.is(strokes.length, 30);
  assert.is(new Set(strokes).size, 30);
  assert.ok(Number(/height="(\d+)"/.exec(svg)?.[1]) > 30 * 18);
});

test('values over more than two decades are on a logarithmic scale, with powers of ten', () => {
  const log = scaleOf([0, 0.002, 5, 300], { ...place, mayBeLog: true });
  assert.ok(log.log);
  assert.equal(ticksOf(log), [0.01, 0.1, 1, 10, 100]);
  assert.not.ok(log.holds(0));
  assert.not.ok(scaleOf([1, 100], { ...place, mayBeLog: true }).log);
  assert.not.ok(scaleOf([-1, 1, 1000], { ...place, mayBeLog: true }).log);
  assert.not.ok(scaleOf([1, 1000], place).log);
});

test('linear ticks are round and lie within the values', () => {
  assert.equal(ticksOf(scaleOf([0, 2344], place)), [0, 500, 1000, 1500, 2000]);
  assert.equal(ticksOf(scaleOf([0.1, 0.35], place)), [0.1, 0.15, 0.2, 0.25, 0.3, 0.35]);
  assert.equal([0, 1500, 0.15, 1e-9, 3e8].map(tickText), ['0', '1,500', '0.15', '1e-9', '3e8']);
});

test.run();
