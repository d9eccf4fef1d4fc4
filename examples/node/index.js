// Greets whoever asks, over HTTP.
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { z } from "zod";

const greeting = process.env.GREETING ?? "Hello";
const Question = z.object({ message: z.string() });

const app = new Hono();
app.get("/", (c) => c.json({ answer: `${greeting}, ${c.req.query("name") ?? "world"}` }));
app.get("/health", (c) => c.json({ status: "ok" }));
app.post("/chat", async (c) => {
  const question = Question.safeParse(await c.req.json().catch(() => null));
  if (!question.success) return c.json({ error: question.error.issues[0].message.toLowerCase() }, 400);
  return c.json({ answer: `${greeting}! You said: ${question.data.message}` });
});

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 8080) });
process.on("SIGTERM", () => server.close(() => process.exit(0))); // process 1 of a container has no default for it
