//! Greets whoever asks, over HTTP.

use std::env;

use serde_json::{json, Value};
use tiny_http::{Header, Method, Request, Response, Server};

fn main() {
    // Process 1 of a container has no default for SIGTERM: without this, every stop would wait for SIGKILL.
    ctrlc::set_handler(|| std::process::exit(0)).expect("signals can be handled");
    let port = variable("PORT", "8080");
    let server = Server::http(format!("0.0.0.0:{port}")).expect("the port can be listened on");
    println!("listening on port {port}");
    for mut request in server.incoming_requests() {
        let (status, said) = answer(&mut request);
        let header = Header::from_bytes("Content-Type", "application/json").expect("a header");
        let response = Response::from_string(said.to_string()).with_status_code(status).with_header(header);
        if let Err(error) = request.respond(response) {
            eprintln!("an answer was not taken: {error}");
        }
    }
}

fn answer(request: &mut Request) -> (u16, Value) {
    let greeting = variable("GREETING", "Hello");
    match (request.method(), request.url()) {
        (Method::Get, "/health") => (200, json!({"status": "ok"})),
        (Method::Get, url) if url.starts_with("/greet/") => {
            (200, json!({"greeting": format!("{greeting}, {}", &url["/greet/".len()..])}))
        }
        (Method::Post, "/chat") => {
            let question: Value = serde_json::from_reader(request.as_reader()).unwrap_or_default();
            match question["message"].as_str() {
                Some(message) => (200, json!({"answer": format!("{greeting}! You said: {message}")})),
                None => (400, json!({"error": "send {\"message\": \"your words\"}"})),
            }
        }
        _ => (404, json!({"error": "there are GET /greet/NAME, GET /health and POST /chat"})),
    }
}

fn variable(name: &str, otherwise: &str) -> String {
    env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.to_owned())
}
