// Nothing of a batch runs before a person has decided about each risky call.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, kinds, makeAgent, makeTool, returnsOf, say } from "./support.mjs";

const approvals = (...decisions) => [
  { type: "approval", approvals: decisions.map(([id, approve, reason]) => ({ type: "approval", tool_call_id: id, approve, reason })) },
];

test("approve one, deny one with a reason", async () => {
  const easy = await makeTool("easy", { enable_parallel_execution: true });
  const risky = await makeTool("risky", { default_requires_approval: true });
  const agentId = await makeAgent([easy, risky]);
  const asked = await client.agents.messages.create(agentId, { messages: say("CALL easy,risky(n=1),risky(n=2)\nFINAL Done") });
  assert.equal(asked.stop_reason.stop_reason, "requires_approval");
  assert.deepEqual(kinds(asked.messages), ["tool_call_message", "approval_request_message"]);
  const [first, second] = asked.messages[1].tool_calls.map((call) => call.tool_call_id);

  await assert.rejects(client.agents.messages.create(agentId, { input: "hello" }), (error) => {
    assert.equal(error.status, 409);
    assert.equal(error.error.detail.code, "PENDING_APPROVAL");
    assert.equal(error.headers.get("x-should-retry"), "false");
    return true;
  });
  await assert.rejects(client.agents.messages.create(agentId, { messages: approvals([first, true]) }), { status: 400 });

  const decisions = approvals([first, true], [second, false, "too risky"]);
  const answer = await client.agents.messages.create(agentId, { messages: decisions });
  assert.deepEqual(returnsOf(answer.messages).map((each) => each.outcome), ["success", "success", "denied"]);
  assert.match(returnsOf(answer.messages)[2].tool_return, /too risky/);

  const again = await client.agents.messages.create(agentId, { messages: decisions });
  assert.deepEqual(again.messages, answer.messages);
});
