// GET /: a page of plain text that says what is here.

/** The page for a model under a base address, as in `http://127.0.0.1:8080`. */
export function page(base: string, model: string): string {
  const path = `/models/${encodeURIComponent(model)}`;
  return `gradwire: a streaming optimizer. This trainer holds the model "${model}".

  GET  ${path}                      what it is and where it stands (JSON)
  GET  ${path}/weights.safetensors  the published weights
  POST ${path}/gradients            one gradients frame in, the ack or nack as JSON out
  GET  /healthz                             whether the process answers
  GET  /readyz                              whether it takes batches
  GET  /metrics                             figures for Prometheus

  WebSocket ${base.replace(/^http/, 'ws')}${path}  (subprotocol gradwire.v1): live updates or batches out, gradients in

  curl -O ${base}${path}/weights.safetensors
  npx gradwire follow ${base}${path}
`;
}
