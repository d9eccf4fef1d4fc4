package example;

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.undertow.Handlers;
import io.undertow.Undertow;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Greets whoever asks, over HTTP. */
public final class Hello {
    private static final String GREETING = System.getenv().getOrDefault("GREETING", "Hello");
    private static final Gson GSON = new Gson();

    public static void main(String[] args) throws IOException {
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
        String page = page();
        Undertow.builder()
            .addHttpListener(port, "0.0.0.0")
            .setHandler(Handlers.routing()
                .get("/", exchange -> greet(exchange, page))
                .get("/health", exchange -> answer(exchange, 200, Map.of("status", "ok")))
                .post("/chat", exchange -> exchange.getRequestReceiver().receiveFullString(Hello::chat)))
            .build()
            .start();
        System.out.println("listening on port " + port);
    }

    private static void greet(HttpServerExchange exchange, String page) {
        String name = exchange.getQueryParameters().containsKey("name") ? exchange.getQueryParameters().get("name").getFirst() : "world";
        exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "text/html; charset=utf-8");
        exchange.getResponseSender().send(String.format(page, GREETING, escaped(name)));
    }

    private static void chat(HttpServerExchange exchange, String body) {
        try {
            JsonElement message = JsonParser.parseString(body).getAsJsonObject().get("message");
            if (message != null && message.isJsonPrimitive()) {
                answer(exchange, 200, Map.of("answer", GREETING + "! You said: " + message.getAsString()));
                return;
            }
        } catch (JsonParseException | IllegalStateException error) {
            // no JSON object: answered below
        }
        answer(exchange, 400, Map.of("error", "send {\"message\": \"your words\"}"));
    }

    private static void answer(HttpServerExchange exchange, int status, Map<String, String> document) {
        exchange.setStatusCode(status);
        exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "application/json");
        exchange.getResponseSender().send(GSON.toJson(document));
    }

    private static String page() throws IOException {
        try (InputStream file = Hello.class.getResourceAsStream("/page.html")) {
            return new String(file.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }
}
