// The API as a page, made from /openapi.json.

import {$, button, make} from "./dom.js";
import {copy} from "./clipboard.js";
import {Schemas} from "./schemas.js";

const METHODS = ["get", "post", "put", "delete"];
const code = (text, className = "") => make("code", {textContent: text, className});

function codeBlock(text, label) {
  const copied = make("span", {className: "copied"});
  copied.setAttribute("role", "status");
  const press = button("Copy", async () => {
    try {
      await copy(text);
      copied.textContent = "Copied";
    } catch (error) {
      copied.textContent = error.message;
    }
  }, {className: "button small"});
  press.setAttribute("aria-label", `Copy: ${label}`);
  const block = make("pre", {textContent: text, tabIndex: 0});
  block.setAttribute("role", "group");
  block.setAttribute("aria-label", label);
  return make("div", {className: "code-block"}, block, make("div", {className: "code-tools"}, copied, press));
}

function table(heads, rows) {
  const cells = (kind, values) => make("tr", {}, ...values.map((value) => make(kind, {}, ...[value].flat())));
  const head = cells("th", heads);
  for (const cell of head.children) cell.scope = "col";
  const holder = make("div", {className: "table", tabIndex: 0},
                      make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows.map((row) => cells("td", row)))));
  holder.setAttribute("role", "group");
  holder.setAttribute("aria-label", heads.join(", "));
  return holder;
}

function propertyRows(schemas, schema) {
  return schemas.propertiesOf(schema).map(({name, required, schema: property}) => [
    [code(name), ...(required ? [make("span", {className: "required", textContent: " required"})] : [])],
    schemas.typeOf(property),
    [schemas.describe(property)],
  ]);
}

function describeSchema(schemas, schema, place) {
  const rows = propertyRows(schemas, schema);
  if (rows.length) place.append(table(["Field", "Type", "Meaning"], rows));
  else place.append(make("p", {}, ...schemas.typeOf(schema)));
}

// The command that asks it, as the document's own words for curl say or else with its example.
function curlOf(path, method, operation) {
  const url = location.origin + path.replace(/\{(\w+)\}/g, (whole, name) =>
    operation.parameters?.find((parameter) => parameter.name === name)?.example ?? whole);
  if (operation["x-curl"]) return `curl ${operation["x-curl"]} ${url}`;
  const example = operation.requestBody?.content["application/json"]?.example;
  if (!example) return `curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}${url}`;
  return `curl -H 'Content-Type: application/json' ${url} -d '${JSON.stringify(example, null, 2)}'`;
}

function bodyOf(schemas, {content}) {
  return Object.entries(content).flatMap(([type, {schema, example}]) => {
    const parts = make("div");
    parts.append(make("h4", {}, "Body as ", code(type)));
    const described = schema && schemas.describe(schemas.resolve(schema));
    if (described) parts.append(make("p", {textContent: described}));
    if (schema) describeSchema(schemas, schemas.resolve(schema), parts);
    if (example) parts.append(codeBlock(JSON.stringify(example, null, 2), `Example of ${type}`));
    return parts;
  });
}

function responsesOf(schemas, responses) {
  return table(["Status", "What it says", "As"], Object.entries(responses).map(([status, response]) => {
    const {description, content = {}, headers = {}} = schemas.resolve(response);
    const types = Object.entries(content).flatMap(([type, {schema}], i) => [
      ...(i ? [make("br")] : []), code(type), ...(schema?.$ref ? [" ", ...schemas.typeOf(schema)] : []),
    ]);
    const named = Object.keys(headers).flatMap((name) => [make("br"), "Header ", code(name)]);
    return [[code(status, `status s${status[0]}`)], [description, ...named], types];
  }));
}

// Text, or a list if its lines are "- name: meaning".
function paragraphOf(text) {
  const items = text.split("\n");
  if (!items.every((item) => item.startsWith("- "))) return make("p", {textContent: text});
  return make("ul", {}, ...items.map((item) => {
    const [, name, meaning] = item.match(/^- ([^:]*): (.*)$/);
    return make("li", {}, code(name), ` ${meaning}`);
  }));
}

function operationOf(schemas, path, method, operation) {
  const section = make("section", {id: operation.operationId, className: "operation"});
  section.append(
      make("h2", {}, make("span", {className: `method ${method}`, textContent: method.toUpperCase()}), " ", code(path)),
      make("p", {className: "summary", textContent: operation.summary}));
  section.append(...(operation.description?.split("\n\n") ?? []).map(paragraphOf));
  section.append(codeBlock(curlOf(path, method, operation), `curl for ${path}`));
  if (operation.parameters) {
    section.append(make("h3", {textContent: "Parameters"}),
                   table(["Name", "In", "Type"], operation.parameters.map((parameter) => [
                     [code(parameter.name)], parameter.in, schemas.typeOf(parameter.schema)])));
  }
  if (operation.requestBody) {
    section.append(make("h3", {textContent: "Request"}), ...bodyOf(schemas, operation.requestBody));
  }
  section.append(make("h3", {textContent: "Answers"}), responsesOf(schemas, operation.responses));
  return section;
}

function schemaOf(schemas, name, schema) {
  const section = make("section", {id: `schema-${name}`, className: "operation"}, make("h3", {}, code(name)));
  const described = schemas.describe(schema);
  if (described) section.append(make("p", {textContent: described}));
  describeSchema(schemas, schema, section);
  return section;
}

function show(document_) {
  const schemas = new Schemas(document_);
  $("about").textContent = document_.info.description;
  const operations = Object.entries(document_.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => [path, method, item[method]]));
  const named = Object.entries(document_.components.schemas);
  const link = (href, ...children) => make("li", {}, make("a", {href}, ...children));
  $("contents").replaceChildren(
      make("h2", {textContent: "Calls"}),
      make("ul", {}, ...operations.map(([path, method, {operationId}]) => link(
          `#${operationId}`, make("span", {className: `method ${method}`, textContent: method.toUpperCase()}), ` ${path}`))),
      make("h2", {textContent: "Schemas"}),
      make("ul", {className: "names"}, ...named.map(([name]) => link(`#schema-${name}`, name))));
  const key = document_.components.securitySchemes?.key;
  $("pages").replaceChildren(
      make("p", {}, "Where the server was given keys, calls below ", code("/v1/"), " need the header ",
           code("Authorization: Bearer KEY"), key ? `: ${key.description[0].toLowerCase()}${key.description.slice(1)}.` : "."),
      ...operations.map((operation) => operationOf(schemas, ...operation)),
      make("h2", {textContent: "Schemas", className: "part"}),
      ...named.map(([name, schema]) => schemaOf(schemas, name, schema)));
  if (location.hash) $(location.hash.slice(1))?.scrollIntoView();
}

try {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`The server answered with status ${response.status}.`);
  show(await response.json());
} catch (error) {
  $("pages").replaceChildren(make("p", {className: "error", textContent: `The API's document is not there: ${error.message}`}));
}
