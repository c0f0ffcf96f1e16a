// The OpenAPI document as a page: each operation with its body, an example and how to ask.

import { ask, element, made, open } from "/static/ask.js";

const json = (value) => JSON.stringify(value, null, 2);

function example(media) {
  return media?.example ?? media?.schema?.examples?.[0];
}

function command(path, method, body) {
  const address = `${location.origin}${path}`;
  if (method === "get") return `curl ${address}`;
  const row = JSON.stringify(body).replaceAll("'", "'\\''");
  return `curl ${address} -H 'content-type: application/json' -d '${row}'`;
}

function details(summary, text) {
  const node = made("details");
  node.append(made("summary", summary), made("pre", text));
  return node;
}

function shown(path, method, operation) {
  const node = made("section");
  node.append(made("h2", `${method.toUpperCase()} ${decodeURIComponent(path)}`));
  node.append(made("p", operation.summary));
  for (const one of operation.parameters ?? []) {
    node.append(made("p", `?${one.name}: ${one.description}`, { class: "quiet" }));
  }
  const content = operation.requestBody?.content ?? {};
  const kinds = Object.keys(content);
  if (kinds.length) node.append(made("p", `Bodies: ${kinds.join(", ")}`, { class: "quiet" }));
  const media = content["application/json"];
  node.append(made("pre", command(path, method, example(media) ?? {})));
  if (media) node.append(details("Schema of the body", json(media.schema)));
  for (const [status, answer] of Object.entries(operation.responses)) {
    const schema = Object.values(answer.content ?? {})[0]?.schema;
    if (schema) node.append(details(`Answer ${status}: ${answer.description}`, json(schema)));
  }
  return node;
}

await open(async () => {
  const { paths } = await ask("/openapi.json");
  const made = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => shown(path, method, operation)),
  );
  element("operations").replaceChildren(...made);
  document.body.dataset.operations = String(made.length);
});
