// The schema and the channel of every segment: what other MCAP tools learn about the records.
import type { McapRecordBuilder } from '@mcap/core';

/** The one channel's id in every segment. */
export const channelId = 1;
const schemaId = 1;

const decimal = { type: 'string', pattern: '^(0|[1-9][0-9]*)$' };
const digest = { type: 'string', pattern: '^[0-9a-f]{16}$' };

// a message is a safetensors buffer; this describes the `__metadata__` of its header, in words that depend on the release
const schemaOf = (format: object, folding: object) => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'The metadata of a gradwire journal record, a safetensors buffer',
  type: 'object',
  properties: {
    gradwire: format,
    kind: { const: 'gradients' },
    model: { type: 'string' },
    producer: { type: 'string' },
    producerEpoch: decimal,
    sequence: decimal,
    base: decimal,
    examples: decimal,
    loss: { type: 'string' },
    time: { type: 'string' },
    run: { type: 'string' },
    epoch: decimal,
    version: decimal,
    durableUpTo: decimal,
    payload: digest,
    check: digest,
    ...folding,
  },
  required: ['gradwire', 'kind', 'producer', 'sequence', 'base', 'run', 'epoch', 'version', 'durableUpTo', 'payload', 'check'],
});
const schema = schemaOf({ enum: ['1', '2'] }, { factor: { type: 'string' }, parts: { type: 'string' } });
const schemaOfFirstRelease = schemaOf({ const: '1' }, {});

/** Writes the schema record. */
export function writeSchema(builder: McapRecordBuilder): void {
  write(builder, schema);
}

/** Writes the schema record of release 0.1.0. */
export function writeFirstSchema(builder: McapRecordBuilder): void {
  write(builder, schemaOfFirstRelease);
}

function write(builder: McapRecordBuilder, described: object): void {
  const data = new TextEncoder().encode(JSON.stringify(described));
  builder.writeSchema({ id: schemaId, name: 'gradwire.gradients', encoding: 'jsonschema', data });
}

/** Writes the record of the channel `/models/<name>/gradients`. */
export function writeChannel(builder: McapRecordBuilder, name: string): void {
  const topic = `/models/${name}/gradients`;
  builder.writeChannel({ id: channelId, schemaId, topic, messageEncoding: 'safetensors', metadata: new Map() });
}
