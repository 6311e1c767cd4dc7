// The real openai SDK against the gateway: node openai_sdk.mjs MODULES BASE_URL KEY MODEL
// Prints one JSON line per check, {"check", "ok", "detail"}; exits 1 if one failed.
import { createRequire } from "node:module";

const [modules, baseURL, apiKey, model] = process.argv.slice(2);
const require = createRequire(modules + "/package.json");
const { OpenAI } = require("openai");
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 });

let failed = 0;
async function check(name, body) {
  try {
    console.log(JSON.stringify({ check: name, ok: true, detail: (await body()) ?? "" }));
  } catch (fault) {
    failed++;
    console.log(JSON.stringify({ check: name, ok: false, detail: String(fault?.stack ?? fault) }));
  }
}
function expect(truth, what) {
  if (!truth) throw new Error(what);
}

// A tool that really runs, and a record of its runs.
function shell(ran) {
  return {
    type: "function",
    function: {
      name: "bash",
      description: "Runs a shell command",
      parse: JSON.parse,
      parameters: { type: "object", properties: { command: { type: "string" } }, required: ["command"], additionalProperties: false },
      function: async ({ command }) => {
        ran.push(command);
        return `output of ${command}`;
      },
    },
  };
}

await check("a plain answer", async () => {
  const answer = await client.chat.completions.create({ model, messages: [{ role: "user", content: "Say hello." }] });
  expect(answer.choices[0].message.content?.length > 0, "no content");
  expect(answer.choices[0].finish_reason === "stop", answer.choices[0].finish_reason);
  expect(answer.usage.total_tokens === answer.usage.prompt_tokens + answer.usage.completion_tokens, JSON.stringify(answer.usage));
});

await check("streaming with usage", async () => {
  const stream = await client.chat.completions.create({
    model, stream: true, stream_options: { include_usage: true },
    messages: [{ role: "user", content: "Tell me something. [[sim tokens=30]]" }],
  });
  let text = "", usage = null, finishes = 0;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    finishes += chunk.choices[0]?.finish_reason ? 1 : 0;
    usage = chunk.usage ?? usage;
  }
  expect(Buffer.byteLength(text) === 120, `${Buffer.byteLength(text)} bytes`);
  expect(finishes === 1 && usage?.completion_tokens >= 30, JSON.stringify({ finishes, usage }));
});

for (const stream of [true, false]) {
  await check(`tools, ${stream ? "streaming" : "whole"}: the loop runs to its answer`, async () => {
    const ran = [];
    const runner = client.chat.completions.runTools({
      model, stream, tools: [shell(ran)], messages: [{ role: "user", content: "please run `echo hello` [[sim rounds=2]]" }],
    });
    const final = await runner.finalContent();
    expect(JSON.stringify(ran) === '["echo hello","echo hello"]', JSON.stringify(ran));
    expect(final.includes("output of echo hello"), final);
  });
}

await check("parallel calls", async () => {
  const ran = [];
  const runner = client.chat.completions.runTools({
    model, stream: true, tools: [shell(ran)], messages: [{ role: "user", content: "please run `date` [[sim calls=3]]" }],
  });
  const final = await runner.finalContent();
  expect(ran.length === 3 && new Set(ran).size === 3, JSON.stringify(ran));
  expect(final.includes("output of date"), final);
});

await check("JSON schema", async () => {
  const schema = {
    type: "object", additionalProperties: false, required: ["title", "count", "tags"],
    properties: { title: { type: "string" }, count: { type: "integer" }, tags: { type: "array", items: { type: "string" } } },
  };
  const answer = await client.chat.completions.parse({
    model, messages: [{ role: "user", content: "Summarise." }],
    response_format: { type: "json_schema", json_schema: { name: "summary", strict: true, schema } },
  });
  const value = JSON.parse(answer.choices[0].message.content);
  expect(typeof value.title === "string" && Number.isInteger(value.count) && Array.isArray(value.tags), JSON.stringify(value));
});

await check("abort", async () => {
  const stream = await client.chat.completions.create({
    model, stream: true, messages: [{ role: "user", content: "Count. [[sim tokens=400 cadence_ms=20 think_tokens=0 tag=sdk-abort]]" }],
  });
  let chunks = 0;
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta?.content && ++chunks === 5) break; // leaving the loop aborts the request
  }
  expect(stream.controller.signal.aborted, "the request was not aborted");
  const next = await client.chat.completions.create({ model, messages: [{ role: "user", content: "Still there?" }] });
  expect(next.choices[0].message.content?.length > 0, "no answer after an abort");
});

await check("errors are the SDK's own", async () => {
  const stranger = new OpenAI({ baseURL, apiKey: "tp_unknown_key", maxRetries: 0 });
  try {
    await stranger.chat.completions.create({ model, messages: [{ role: "user", content: "x" }] });
  } catch (fault) {
    expect(fault instanceof OpenAI.AuthenticationError && fault.status === 401, String(fault));
    return;
  }
  throw new Error("an unknown key was served");
});

await check("models are listed", async () => {
  const models = await client.models.list();
  expect(models.data.length > 0 && models.data.every((entry) => entry.object === "model"), JSON.stringify(models.data.slice(0, 3)));
});

process.exit(failed ? 1 : 0);
