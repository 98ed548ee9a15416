// Shows the OpenAPI document. Text from the document is only ever set as text, never as markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function schemaName(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.oneOf) return schema.oneOf.map(schemaName).join(" or ");
  const type = [].concat(schema.type ?? "any").join(" or ");
  if (schema.items) return `${type} of ${schemaName(schema.items)}`;
  return schema.format ? `${type} (${schema.format})` : type;
}

function table(head, rows) {
  const made = element("table");
  const headRow = made.createTHead().insertRow();
  head.forEach((title) => headRow.append(element("th", title)));
  const body = made.createTBody();
  rows.forEach((cells) => {
    const row = body.insertRow();
    cells.forEach((cell) => row.insertCell().append(cell ?? ""));
  });
  return made;
}

function contentTypes(content) {
  return Object.entries(content ?? {}).map(([type, media]) => `${type}: ${schemaName(media.schema)}`).join("\n");
}

function operation(path, method, described) {
  const made = element("details", undefined, "operation");
  made.id = described.operationId;
  const summary = element("summary");
  summary.append(element("code", method.toUpperCase(), `method ${method}`), element("code", path), element("span", described.summary ?? ""));
  made.append(summary);
  if (described.description) made.append(element("p", described.description));
  if (described.parameters?.length) {
    const rows = described.parameters.map((one) => [
      element("code", one.name), one.in + (one.required ? ", required" : ""), schemaName(one.schema), one.description ?? "",
    ]);
    made.append(element("h4", "Parameters"), table(["Name", "In", "Type", "Meaning"], rows));
  }
  if (described.requestBody) made.append(element("h4", "Body"), element("pre", contentTypes(described.requestBody.content)));
  const answers = Object.entries(described.responses ?? {}).map(([status, answer]) => [
    element("code", status), answer.description ?? "", contentTypes(answer.content),
  ]);
  made.append(element("h4", "Answers"), table(["Status", "Meaning", "Body"], answers));
  return made;
}

function schema(name, described) {
  const made = element("details");
  made.append(element("summary", name));
  if (described.description) made.append(element("p", described.description));
  const required = new Set(described.required ?? []);
  const rows = Object.entries(described.properties ?? {}).map(([field, one]) => [
    element("code", field), schemaName(one) + (required.has(field) ? "" : ", optional"), one.description ?? "",
  ]);
  if (rows.length) made.append(table(["Field", "Type", "Meaning"], rows));
  return made;
}

function show(api) {
  document.getElementById("about").textContent = api.info.description;
  const byTag = new Map((api.tags ?? []).map((tag) => [tag.name, { about: tag.description, operations: [] }]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((one) => item[one])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!byTag.has(tag)) byTag.set(tag, { operations: [] });
      byTag.get(tag).operations.push(operation(path, method, item[method]));
    }
  }
  const contents = document.getElementById("contents");
  for (const [tag, { about, operations }] of byTag) {
    const section = element("section");
    section.id = `tag-${tag.replaceAll(" ", "-")}`;
    section.append(element("h2", tag), element("p", about), ...operations);
    document.getElementById("operations").append(section);
    const link = element("a", tag);
    link.href = `#${section.id}`;
    contents.append(link, " ");
  }
  const schemas = Object.entries(api.components?.schemas ?? {});
  document.getElementById("schemas-title").hidden = schemas.length === 0;
  document.getElementById("schemas").append(...schemas.map(([name, described]) => schema(name, described)));
}

fetch("/api/v1/openapi.json")
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => { document.getElementById("about").textContent = `The document cannot be shown: ${error}`; });
