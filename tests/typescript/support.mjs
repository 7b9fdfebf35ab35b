// What the tests share: the SDK's client of the running server, small tools, and agents.
import { Letta } from "@letta-ai/letta-client";

export const options = { baseURL: process.env.TANDEM_URL, apiKey: process.env.TANDEM_API_KEY };
export const client = new Letta(options);

export function source(name, seconds = 0.2) {
  return `
import time


def ${name}(n: int = 1) -> str:
    """Does ${name}.

    Args:
        n: A number to give back.
    """
    time.sleep(${seconds})
    return f"${name} {n}"
`;
}

export async function makeTool(name, fields = {}, seconds = 0.2) {
  return client.tools.create({ source_code: source(name, seconds), ...fields });
}

export async function makeAgent(tools, fields = {}) {
  const agent = await client.agents.create({
    model: "openai/gpt-4.1",
    parallel_tool_calls: true,
    tool_ids: tools.map((tool) => tool.id),
    ...fields,
  });
  return agent.id;
}

export const say = (text) => [{ role: "user", content: text }];
export const kinds = (messages) => messages.map((message) => message.message_type);

export function returnsOf(messages) {
  return messages.filter((message) => message.message_type === "tool_return_message").flatMap((message) => message.tool_returns);
}

export async function all(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

export async function untilEnded(runId) {
  for (let look = 0; look < 300; look++) {
    const run = await client.runs.retrieve(runId);
    if (["completed", "failed", "cancelled"].includes(run.status)) return run;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${runId} did not end`);
}
