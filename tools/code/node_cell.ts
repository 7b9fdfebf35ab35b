// Runs a piece of JavaScript or TypeScript as a notebook's cell does. It is the source of a tool: it runs in the sandbox.
import * as path from "node:path";
import * as util from "node:util";
import * as vm from "node:vm";

function compiled(code: string): string {
  const { transform } = require(path.join(path.dirname(process.argv[1]), "vendor", "sucrase.cjs"));
  return transform(code, { transforms: ["typescript", "imports"], disableESTransforms: true, filePath: "code.ts" }).code;
}

function evaluate(code: string): unknown {
  Object.assign(globalThis, { require, module: { exports: {} }, exports: {} });
  const options = { filename: "code.ts" };
  try {
    return vm.runInThisContext(code, options);
  } catch (error) {
    // A script cannot await at its top; a function can, whose value is only what it returns.
    if (!(error instanceof SyntaxError) || !/\bawait\b/.test(code)) throw error;
    return vm.runInThisContext(`(async () => {${code}\n})()`, options);
  }
}

export async function run_cell(code: string): Promise<unknown> {
  const results: string[] = [];
  try {
    const value = await evaluate(compiled(code));
    if (value !== undefined) results.push(typeof value === "string" ? value : util.inspect(value));
  } catch (error: any) {
    const isError = error instanceof Error || typeof error?.message === "string";
    const own = String(error?.stack ?? "").split("\n").filter((line) => line.includes("code.ts"));
    const value = isError ? error.message : String(error);
    return { results, error: { name: isError ? error.name : "thrown", value, traceback: own.join("\n") } };
  }
  return { results };
}
