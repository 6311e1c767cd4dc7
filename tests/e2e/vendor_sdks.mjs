// The vendors' own SDKs and the AI SDK against the gateway: node vendor_sdks.mjs MODULES URL KEY MODEL
// Each runs a loop of two tools with its own helpers. Prints one JSON line per check, {"check", "ok", "detail"}; exits 1
// if one failed.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, url, apiKey, model] = process.argv.slice(2);
const require = createRequire(modules + "/package.json");
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

const OpenAI = require("openai").OpenAI;
const Anthropic = require("@anthropic-ai/sdk").default ?? require("@anthropic-ai/sdk").Anthropic;
const { GoogleGenAI } = await load("@google/genai");

let failed = 0;
async function check(name, body) {
  try {
    console.log(JSON.stringify({ check: name, ok: true, detail: (await body()) ?? "" }));
  } catch (fault) {
    failed++;
    console.log(JSON.stringify({ check: name, ok: false, detail: String(fault?.stack ?? fault).slice(0, 1500) }));
  }
}
function expect(truth, what) {
  if (!truth) throw new Error(what);
}

const ask = "please use the tools [[sim rounds=2 calls=1]]";
const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const tools = {
  get_weather: (input) => `18 degrees in ${input.city}`,
  get_time: (input) => `noon in ${input.city}`,
};
const describe = { get_weather: "The weather in a city", get_time: "The time in a city" };
const question = (round) => (round === 0 ? `${ask} [[sim tool=get_weather]]` : null);

function run(name, input, ran) {
  expect(typeof input?.city === "string" && input.city, `${name} got ${JSON.stringify(input)}`);
  ran.push(name);
  return tools[name](input);
}
// The first round asks for one tool, the results of the first ask for the other.
const steer = (text, ran) => (ran.length === 1 ? `${text} [[sim tool=get_time]]` : text);
const both = (ran) => expect(ran.join() === "get_weather,get_time", `tools that ran: ${ran}`);

await check("openai: responses, streamed", async () => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: 30_000 });
  const offered = Object.keys(tools).map((name) => ({ type: "function", name, description: describe[name], parameters: schema, strict: true }));
  const input = [{ role: "user", content: question(0) }];
  const ran = [];
  for (let round = 0; round < 4; round++) {
    const stream = client.responses.stream({ model, input, tools: offered, store: false, include: ["reasoning.encrypted_content"] });
    const response = await stream.finalResponse();
    expect(response.status === "completed" && response.usage.total_tokens > 0, JSON.stringify(response.usage));
    input.push(...response.output);
    const calls = response.output.filter((item) => item.type === "function_call");
    if (calls.length === 0) {
      expect(response.output_text.length > 0, "no text");
      return both(ran);
    }
    for (const call of calls) {
      input.push({ type: "function_call_output", call_id: call.call_id, output: steer(run(call.name, JSON.parse(call.arguments), ran), ran) });
    }
  }
  throw new Error("the loop did not end");
});

await check("openai: responses, whole", async () => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, timeout: 30_000 });
  const response = await client.responses.create({ model, input: "Say hello.", store: false });
  expect(response.output_text.length > 0 && response.usage.output_tokens > 0, JSON.stringify(response));
});

for (const way of ["streamed", "whole"]) {
  await check(`@anthropic-ai/sdk: messages, ${way}`, async () => {
    const client = new Anthropic({ baseURL: url, apiKey, maxRetries: 0, timeout: 30_000 });
    const offered = Object.keys(tools).map((name) => ({ name, description: describe[name], input_schema: schema }));
    const messages = [{ role: "user", content: question(0) }];
    const ran = [];
    for (let round = 0; round < 4; round++) {
      const body = { model, max_tokens: 4000, messages, tools: offered };
      const message = way === "whole" ? await client.messages.create(body) : await client.messages.stream(body).finalMessage();
      expect(message.usage.output_tokens > 0, JSON.stringify(message.usage));
      messages.push({ role: "assistant", content: message.content });
      if (message.stop_reason !== "tool_use") {
        expect(message.stop_reason === "end_turn" && message.content.some((block) => block.type === "text"), JSON.stringify(message));
        return both(ran);
      }
      messages.push({
        role: "user",
        content: message.content.filter((block) => block.type === "tool_use").map((call) => (
          { type: "tool_result", tool_use_id: call.id, content: steer(run(call.name, call.input, ran), ran) })),
      });
    }
    throw new Error("the loop did not end");
  });
}

await check("@anthropic-ai/sdk: count_tokens and models", async () => {
  const client = new Anthropic({ baseURL: url, apiKey, maxRetries: 0, timeout: 30_000 });
  const count = await client.messages.countTokens({ model, messages: [{ role: "user", content: "How many tokens is this?" }] });
  expect(count.input_tokens > 0, JSON.stringify(count));
  const list = await client.models.list();
  expect(list.data.length > 0 && list.data[0].type === "model", JSON.stringify(list.data[0]));
});

for (const way of ["streamed", "whole"]) {
  await check(`@google/genai: generateContent, ${way}`, async () => {
    const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url } });
    const offered = [{ functionDeclarations: Object.keys(tools).map((name) => ({ name, description: describe[name], parametersJsonSchema: schema })) }];
    const contents = [{ role: "user", parts: [{ text: question(0) }] }];
    const ran = [];
    for (let round = 0; round < 4; round++) {
      const parts = [];
      let finish = null;
      const take = (response) => {
        parts.push(...(response.candidates?.[0]?.content?.parts ?? []));
        finish = response.candidates?.[0]?.finishReason ?? finish;
      };
      const body = { model, contents, config: { tools: offered } };
      if (way === "whole") take(await client.models.generateContent(body));
      else for await (const response of await client.models.generateContentStream(body)) take(response);
      expect(finish === "STOP", `finish reason ${finish}`);
      contents.push({ role: "model", parts });
      const calls = parts.filter((part) => part.functionCall).map((part) => part.functionCall);
      if (calls.length === 0) {
        expect(parts.some((part) => part.text), "no text");
        return both(ran);
      }
      contents.push({
        role: "user",
        parts: calls.map((call) => ({
          functionResponse: { ...(call.id ? { id: call.id } : {}), name: call.name, response: { output: steer(run(call.name, call.args, ran), ran) } } })),
      });
    }
    throw new Error("the loop did not end");
  });
}

await check("@google/genai: countTokens", async () => {
  const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url } });
  const count = await client.models.countTokens({ model, contents: "How many tokens is this?" });
  expect(count.totalTokens > 0, JSON.stringify(count));
});

// --- the AI SDK over its four providers

const { streamText, generateText, tool, jsonSchema, stepCountIs, isStepCount } = await load("ai");
const stepLimit = stepCountIs ?? isStepCount;
const { createOpenAI } = await load("@ai-sdk/openai");
const { createAnthropic } = await load("@ai-sdk/anthropic");
const { createGoogleGenerativeAI, createGoogle } = await load("@ai-sdk/google");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const providers = {
  "openai-compatible": () => createOpenAICompatible({ name: "gw", baseURL: `${url}/v1`, apiKey })(model),
  "openai (responses)": () => createOpenAI({ baseURL: `${url}/v1`, apiKey }).responses(model),
  anthropic: () => createAnthropic({ baseURL: `${url}/v1`, apiKey })(model),
  google: () => (createGoogleGenerativeAI ?? createGoogle)({ baseURL: `${url}/v1beta`, apiKey })(model),
};
for (const [name, make] of Object.entries(providers)) {
  for (const way of ["streamed", "whole"]) {
    await check(`ai over ${name}, ${way}`, async () => {
      const ran = [];
      const offered = Object.fromEntries(Object.keys(tools).map((key) => [key, tool({
        description: describe[key], inputSchema: jsonSchema(schema), execute: async (input) => steer(run(key, input, ran), ran) })]));
      const body = { model: make(), prompt: question(0), tools: offered, stopWhen: stepLimit(5), maxRetries: 0 };
      let faults = [];
      const result = way === "whole" ? await generateText(body) : streamText({ ...body, onError: ({ error }) => faults.push(error) });
      const text = await result.text;
      expect(faults.length === 0, String(faults[0]?.stack ?? faults[0]));
      expect(text.length > 0, "no text");
      both(ran);
    });
  }
}

process.exit(failed ? 1 : 0);
