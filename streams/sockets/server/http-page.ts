// GET /: a page of plain text that says what is here.

import type { Served } from './served.ts';

/** The page for a model under a base address, as in `http://127.0.0.1:8080`. */
export function page(base: string, { model, relays }: Pick<Served, 'model' | 'relays'>): string {
  const path = `/models/${encodeURIComponent(model)}`;
  return `gradwire: a streaming optimizer. ${relays === undefined ? 'This trainer holds' : 'This relay serves'} the model "${model}".

  GET  ${path}                      what it is and where it stands (JSON)
  GET  ${path}/weights.safetensors  the published weights
  POST ${path}/gradients            one gradients frame in, the ack or nack as JSON out
  POST ${path}/rollback             {"version": k}: the state of version k as a new version
  POST ${path}/hold                 {"reason": "…"}: publish nothing until it is released
  POST ${path}/release              publish what was held back
  GET  /healthz                             whether the process answers
  GET  /readyz                              whether it takes batches
  GET  /metrics                             figures for Prometheus

  WebSocket ${base.replace(/^http/, 'ws')}${path}  (subprotocol gradwire.v1): live updates or batches out, gradients in

  curl -O ${base}${path}/weights.safetensors
  npx gradwire follow ${base}${path}
`;
}
