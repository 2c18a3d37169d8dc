// JSON schemas of an OpenAPI document in words.

import {make} from "./dom.js";

const code = (text) => make("code", {textContent: text});

function between(nodes, separator) {
  return nodes.flatMap((node, i) => (i ? [separator, ...node] : node));
}

export class Schemas {
  constructor(document_) {
    this.document = document_;
  }

  // What a reference points to; anything else as it is.
  resolve(schema) {
    if (!schema.$ref) return schema;
    return this.resolve(schema.$ref.slice(2).split("/").reduce((part, name) => part[name], this.document));
  }

  // The fields of an object, with those of its alternatives.
  propertiesOf(schema) {
    return Object.entries(schema.properties ?? {})
        .filter(([, property]) => property.type !== "null")
        .map(([name, property]) => ({name, required: Boolean(schema.required?.includes(name)), schema: property}));
  }

  // What it means, and the limits it has.
  describe(schema) {
    const {description, minimum, maximum, minItems, maxItems, maxLength} = this.resolve(schema);
    const limits = [];
    const most = 2 ** 31 - 1;
    if (minimum !== undefined && maximum !== undefined && maximum < most) limits.push(`${minimum} to ${maximum}`);
    else if (minimum !== undefined) limits.push(`${minimum} or more`);
    if (minItems !== undefined && maxItems !== undefined) {
      limits.push(minItems === maxItems ? `${minItems} items` : `${minItems} to ${maxItems} items`);
    } else if (minItems) {
      limits.push(`at least ${minItems} item${minItems > 1 ? "s" : ""}`);
    }
    if (maxLength !== undefined) limits.push(`at most ${maxLength} characters`);
    return [description, limits.join(", ")].filter(Boolean).join("; ");
  }

  #listOf(type) {
    const plain = type.length === 1 && typeof type[0] === "string";
    return ["list of ", ...(plain ? [`${type[0]}s`] : type)];
  }

  // Its type, as nodes; schemas with a name of their own are links. A null counts as missing and is not told.
  typeOf(schema) {
    const name = schema.$ref?.match(/^#\/components\/schemas\/(\w+)$/)?.[1];
    if (name) return [make("a", {href: `#schema-${name}`, textContent: name})];
    const {anyOf, type, items, const: only, enum: values, format, properties} = this.resolve(schema);
    if (anyOf) {
      const kinds = anyOf.filter((one) => one.type !== "null");
      if (kinds.every(({required, type: kind}) => required && !kind)) return ["object"];
      return between(kinds.map((one) => this.typeOf(one)), " or ");
    }
    if (only !== undefined) return [code(JSON.stringify(only))];
    if (values) return between(values.filter((value) => value !== null).map((value) => [code(String(value))]), ", ");
    if (type === undefined) return ["anything"];
    const kinds = [type].flat().filter((kind) => kind !== "null").map((kind) => {
      if (kind === "array") return items ? this.#listOf(this.typeOf(items)) : ["list"];
      if (kind === "string" && format === "binary") return ["file"];
      if (kind === "object" && properties) {
        return ["{", ...between(Object.keys(properties).map((key) => [code(key)]), ", "), "}"];
      }
      return [{string: "text", integer: "whole number"}[kind] ?? kind];
    });
    return between(kinds, " or ");
  }
}
