// Sending, streaming, runs, cancelling, errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Letta } from "@letta-ai/letta-client";
import { all, client, kinds, makeAgent, makeTool, options, returnsOf, say, untilEnded } from "./support.mjs";

const parallel = { enable_parallel_execution: true };

test("a batch is one call message and one return message in the model's order", async () => {
  const tools = [await makeTool("web", parallel), await makeTool("note"), await makeTool("books", parallel)];
  const agentId = await makeAgent(tools, { model: "anthropic/claude-sonnet-4-5" });
  const answer = await client.agents.messages.create(agentId, { messages: say("CALL web,note(n=2),books\nFINAL Done") });
  assert.deepEqual(kinds(answer.messages), ["tool_call_message", "tool_return_message", "assistant_message"]);
  assert.deepEqual(answer.messages[0].tool_calls.map((call) => call.name), ["web", "note", "books"]);
  assert.deepEqual(returnsOf(answer.messages).map((each) => each.tool_return), ["web 1", "note 2", "books 1"]);
  assert.equal(answer.stop_reason.stop_reason, "end_turn");
  const listed = await all(client.agents.messages.list(agentId, { order: "asc" }));
  assert.deepEqual(kinds(listed), ["user_message", ...kinds(answer.messages)]);
});

test("three calls that all bear the id call_0 get three returns", async () => {
  const agentId = await makeAgent([await makeTool("web", parallel)]);
  const answer = await client.agents.messages.create(agentId, { input: "SAMEIDS\nCALL web(n=1),web(n=2),web(n=3)" });
  assert.deepEqual(returnsOf(answer.messages).map((each) => each.tool_return), ["web 1", "web 2", "web 3"]);
  assert.equal(new Set(returnsOf(answer.messages).map((each) => each.tool_call_id)).size, 3);
});

test("steps are streamed whole", async () => {
  const agentId = await makeAgent([await makeTool("web", parallel)]);
  const chunks = await all(await client.agents.messages.create(agentId, { messages: say("CALL web*2\nFINAL Done"), streaming: true }));
  assert.deepEqual(kinds(chunks), [
    "ping", "tool_call_message", "tool_return_message", "assistant_message", "stop_reason", "usage_statistics",
  ]);
  assert.equal(chunks[1].tool_calls.length, 2);
});

test("tokens are streamed in pieces that make up what is stored", async () => {
  const agentId = await makeAgent([await makeTool("web", parallel)]);
  const text = "THINK One two three\nSTREAMDELAY 30\nCALL web(n=1),web(n=2)\nFINAL All of it is done";
  const chunks = await all(await client.agents.messages.stream(agentId, { messages: say(text), stream_tokens: true }));
  const heard = {};
  for (const chunk of chunks) {
    if (chunk.message_type === "assistant_message") heard[chunk.id] = (heard[chunk.id] ?? "") + chunk.content;
    if (chunk.message_type === "tool_call_message") {
      const { tool_call_id: id, arguments: piece } = chunk.tool_calls;
      heard[id] = (heard[id] ?? "") + (piece ?? "");
    }
  }
  const stored = {};
  for await (const message of client.agents.messages.list(agentId, { order: "asc" })) {
    if (message.message_type === "assistant_message") stored[message.id] = message.content;
    if (message.message_type === "tool_call_message") {
      for (const call of message.tool_calls) stored[call.tool_call_id] = call.arguments;
    }
  }
  assert.deepEqual(heard, stored);
});

test("a background stream is taken up again behind a chunk", async () => {
  const agentId = await makeAgent([await makeTool("web", parallel)]);
  const started = await client.agents.messages.create(agentId, { input: "CALL web*2\nFINAL Done", streaming: true, background: true });
  const chunks = (await all(started)).filter((chunk) => chunk.message_type !== "ping");
  const again = await client.runs.messages.stream(chunks[0].run_id, { starting_after: chunks[0].seq_id, include_pings: false });
  assert.deepEqual(await all(again), chunks.slice(1));
});

test("an async run is followed to its end", async () => {
  const agentId = await makeAgent([await makeTool("web", parallel)]);
  const run = await client.agents.messages.createAsync(agentId, { messages: say("CALL web*2\nFINAL Done") });
  assert.equal((await untilEnded(run.id)).stop_reason, "end_turn");
  const messages = await all(client.runs.messages.list(run.id));
  assert.deepEqual(kinds(messages), ["user_message", "tool_call_message", "tool_return_message", "assistant_message"]);
  assert.deepEqual((await all(client.runs.list({ agent_id: agentId }))).map((found) => found.id), [run.id]);
  assert.equal((await all(client.runs.steps.list(run.id))).length, 2);
});

test("cancel ends the calls and the next message works", async () => {
  const agentId = await makeAgent([await makeTool("slow", parallel, 60)]);
  const run = await client.agents.messages.createAsync(agentId, { messages: say("CALL slow*2") });
  while ((await client.runs.retrieve(run.id)).call_count < 2) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(await client.agents.messages.cancel(agentId, { run_ids: [run.id] }), { [run.id]: "cancelled" });
  assert.equal((await untilEnded(run.id)).status, "cancelled");
  const returned = returnsOf(await all(client.runs.messages.list(run.id)));
  assert.deepEqual(returned.map((each) => each.outcome), ["cancelled", "cancelled"]);
  const answer = await client.agents.messages.create(agentId, { input: "FINAL Fine" });
  assert.equal(answer.messages.at(-1).content, "Fine");
});

test("errors are the SDK's own", async () => {
  const stranger = new Letta({ ...options, apiKey: "wrong" });
  assert.equal((await stranger.health()).status, "ok");
  await assert.rejects(all(stranger.agents.list()), (error) => error.status === 401 && /manage\.py apikey/.test(error.message));
  await assert.rejects(client.agents.retrieve("agent-00000000-0000-4000-8000-000000000000"), { status: 404 });
  await assert.rejects(client.tools.create({ source_code: "def f() -> int:\n    return 1\n" }), { status: 400 });
  await assert.rejects(client.environments.list(), { status: 501 });
});
