// Runs one TypeScript tool: reads the call from stdin, calls its function, leaves the report on the descriptor it is told.
// The word before the report is never where the tool's code could see it, so printing or writing forges nothing.
"use strict";

const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");

const ERROR_CHARS = 1000;
const { word, fd, call } = JSON.parse(fs.readFileSync(0, "utf8"));
// From here on stdin is empty.
fs.closeSync(0);
fs.openSync("/dev/null", "r");
// What a tool may replace later.
const { stringify } = JSON;
const { writeSync } = fs;
const exit = process.reallyExit.bind(process);

const [RAISED, TEXT, JSON_VALUE] = [0, 1, 3];

function report(kind, text) {
  const body = Buffer.from(text, "utf8");
  const head = Buffer.alloc(5);
  head.writeUInt8(kind, 0);
  head.writeUInt32BE(body.length, 1);
  const whole = Buffer.concat([Buffer.from(word, "hex"), head, body]);
  for (let at = 0; at < whole.length; ) at += writeSync(fd, whole, at);
  exit(0);
}

function fail(error) {
  let text;
  try {
    const isError = error instanceof Error || (error && typeof error.message === "string");
    text = isError ? `${error.name || "Error"}: ${error.message}` : `thrown: ${String(error)}`;
    if (isError && error.cause && error.cause.message) text += ` (${error.cause.message})`;
    const own = isError ? String(error.stack).split("\n").filter((line) => line.includes("/tool.ts:")) : [];
    console.error([text, ...own].join("\n"));
  } catch {
    text = text || "an error whose text cannot be read";
  }
  const whole = `Error executing function ${call.function}: ${text}`;
  report(RAISED, whole.length <= ERROR_CHARS ? whole : whole.slice(0, ERROR_CHARS - 1) + "…");
}

// The kind and the text of what was returned.
function told(value) {
  if (typeof value === "string") return [TEXT, value];
  if (value === undefined) return [JSON_VALUE, "null"];
  try {
    const text = stringify(value);
    return text === undefined ? [TEXT, String(value)] : [JSON_VALUE, text];
  } catch {
    return [TEXT, String(value)];
  }
}

function load() {
  const { transform } = require("./vendor/sucrase.cjs");
  const options = { transforms: ["typescript", "imports"], disableESTransforms: true, filePath: "tool.ts" };
  const { code } = transform(call.source, options);
  const module = new Module(path.join(process.cwd(), "tool.ts"));
  module.filename = module.id;
  module.paths = call.node_modules ? [call.node_modules] : [];
  const name = call.function;
  // A function that is not exported is found all the same.
  module._compile(`${code}\n;if (!("${name}" in exports) && typeof ${name} === "function") exports.${name} = ${name};`, module.id);
  const found = module.exports[name];
  if (typeof found !== "function") throw new Error(`the source defines no function '${name}'`);
  return found;
}

// The names of a function's parameters, in order; "" for one that takes an object apart.
function parametersOf(fn) {
  const source = Function.prototype.toString.call(fn).replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "");
  const single = /^(?:async\s+)?([A-Za-z_$][\w$]*)\s*=>/.exec(source);
  if (single) return [single[1]];
  const pieces = [];
  let depth = 0;
  let piece = "";
  let quote = "";
  for (const sign of source.slice(source.indexOf("("))) {
    if (quote) {
      if (sign === quote) quote = "";
    } else if ("\"'`".includes(sign)) quote = sign;
    else if ("([{".includes(sign)) depth += 1;
    else if (")]}".includes(sign)) depth -= 1;
    if (depth === 0) break;
    if (depth === 1 && !quote && sign === ",") {
      pieces.push(piece);
      piece = "";
    } else if (depth > 1 || sign !== "(") piece += sign;
  }
  pieces.push(piece);
  return pieces.map((one) => one.trim()).filter(Boolean).map((one) => (/^[A-Za-z_$][\w$]*/.exec(one) || [""])[0]);
}

function bind(fn) {
  const given = { ...call.arguments };
  const names = parametersOf(fn);
  const wanted = call.parameters;
  // One parameter that is none of the arguments takes them all, as an object.
  if (names.length === 1 && !wanted.includes(names[0])) return [given];
  const state = call.agent_state === null ? undefined : call.agent_state;
  const withState = { agent_state: state, agent_id: call.agent_id, ...given };
  return names.map((name) => (Object.hasOwn(withState, name) ? withState[name] : undefined));
}

process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
(async () => {
  const fn = load();
  report(...told(await fn(...bind(fn))));
})().catch(fail);
