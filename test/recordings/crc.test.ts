// CRC32 of parts: equal to that of the whole, wherever it is cut.
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { combineCrcs, crcAfter } from '../../streams/recordings/segment/crc.ts';

test('the CRC32 of two parts is that of both together, for every cut and length', () => {
  const property = fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(), (bytes, place) => {
    const cut = bytes.byteLength === 0 ? 0 : place % (bytes.byteLength + 1);
    const [a, b] = [bytes.subarray(0, cut), bytes.subarray(cut)];
    assert.is(combineCrcs(crcAfter(0, a), crcAfter(0, b), b.byteLength), crcAfter(0, bytes));
    assert.is(crcAfter(crcAfter(0, a), b), crcAfter(0, bytes));
  });
  fc.assert(property, { numRuns: 500 });
});

test('parts of many megabytes, and none at all', () => {
  const large = new Uint8Array((5 << 20) + 7).fill(151);
  assert.is(combineCrcs(crc32(large), crc32(large.subarray(3)), large.byteLength - 3), crc32(large.subarray(3), crc32(large)));
  assert.is(combineCrcs(crc32(large), 0, 0), crc32(large));
  assert.is(crcAfter(17, new Uint8Array(0)), 17);
});

test.run();
