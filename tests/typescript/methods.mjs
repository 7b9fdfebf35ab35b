// Calls every method of the story that comes in on stdin, and prints how each step ended: [{method, wrong}].
import { readFileSync } from "node:fs";
import { APIError, toFile } from "@letta-ai/letta-client";
import { client } from "./support.mjs";

const { steps, known } = JSON.parse(readFileSync(0, "utf8"));

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value));

async function fill(value) {
  if (typeof value === "string") return value.startsWith("$") ? known[value.slice(1)] ?? value : value;
  if (Array.isArray(value)) return Promise.all(value.map(fill));
  if (value === null || typeof value !== "object") return value;
  if ("$file" in value) return toFile(Buffer.from(asText(await fill(value.text))), value.$file);
  return Object.fromEntries(await Promise.all(Object.entries(value).map(async ([key, item]) => [key, await fill(item)])));
}

function lookUp(answer, path) {
  return path.split(".").filter(Boolean).reduce((found, part) => found[part], answer);
}

async function read(answer, step) {
  if (answer === null || typeof answer !== "object" || !(Symbol.asyncIterator in answer)) return answer;
  const items = [];
  for await (const item of answer) {
    items.push(item);
    if (step.takes === "first") break;
  }
  return items;
}

async function judge(step, answer) {
  for (const [path, wanted] of Object.entries(step.expect)) {
    const found = lookUp(answer, await fill(path));
    const right = await fill(wanted);
    if (found == null || (wanted !== "*" && found !== right)) return `${path || "the answer"} is ${JSON.stringify(found)}, not ${JSON.stringify(right)}`;
  }
  for (const [name, path] of Object.entries(step.keep)) known[name] = lookUp(answer, path);
  return "";
}

async function tell(step) {
  const path = step.method.split(".").map(camel);
  const owner = path.slice(0, -1).reduce((found, part) => found[part], client);
  const params = await fill(step.params);
  try {
    const given = [...(await fill(step.at)), ...(Object.keys(params).length ? [params] : [])];
    const answer = await read(await owner[path.at(-1)](...given), step);
    return step.refused ? `answered, not refused with ${step.refused}` : await judge(step, answer);
  } catch (error) {
    if (!(error instanceof APIError) || error.status !== step.refused) return String(error).slice(0, 300);
    return error.headers.get("x-should-retry") === "false" ? "" : "the client is not told to leave it";
  }
}

const told = [];
for (const step of steps) told.push({ method: step.method, wrong: await tell(step) });
console.log(JSON.stringify(told));
