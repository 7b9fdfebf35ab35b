// The reference page's snippets, word for word, and what they promise.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, makeTool, source } from "./support.mjs";

test("the snippets switch both switches on", async () => {
  const toolId = (await makeTool("search_web")).id;

  // From the reference page, verbatim.
  const agent = await client.agents.create({
    llm_config: {
      model: "anthropic/claude-sonnet-4-20250514",
      parallel_tool_calls: true,
    },
  });
  await client.tools.update(toolId, {
    enable_parallel_execution: true,
  });
  // Until here.

  const found = await client.agents.retrieve(agent.id);
  assert.equal(found.model, "anthropic/claude-sonnet-4-20250514");
  assert.equal(found.llm_config.parallel_tool_calls, true);
  assert.equal(found.model_settings.parallel_tool_calls, true);
  assert.equal((await client.tools.retrieve(toolId)).enable_parallel_execution, true);
});

test("a tool update of another field leaves the toggle", async () => {
  const tool = await makeTool("kept", { enable_parallel_execution: true });
  const changed = await client.tools.update(tool.id, { description: "Other", metadata_: { a: 1 } });
  assert.equal(changed.description, "Other");
  await client.tools.upsert({ source_code: source("kept") });
  assert.equal((await client.tools.retrieve(tool.id)).enable_parallel_execution, true);
});

test("the flag is off until it is sent, and stays as it was sent", async () => {
  const agent = await client.agents.create({ model: "openai/gpt-4.1", model_settings: { provider_type: "openai" } });
  assert.equal(agent.llm_config.parallel_tool_calls, false);
  const on = await client.agents.update(agent.id, { parallel_tool_calls: true });
  assert.equal(on.model_settings.parallel_tool_calls, true);
  const renamed = await client.agents.update(agent.id, { name: "renamed" });
  assert.deepEqual([renamed.name, renamed.llm_config.parallel_tool_calls], ["renamed", true]);
});
