// Greets whoever asks, over HTTP.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

func main() {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer)
	router.Get("/", hello)
	router.Get("/greet/{name}", greet)
	router.Get("/health", func(w http.ResponseWriter, r *http.Request) { answer(w, 200, map[string]string{"status": "ok"}) })
	router.Post("/chat", chat)
	address := ":" + variable("PORT", "8080")
	log.Printf("listening on %s", address)
	log.Fatal(http.ListenAndServe(address, router))
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, variable("GREETING", "Hello"))
}

func greet(w http.ResponseWriter, r *http.Request) {
	greeting := variable("GREETING", "Hello")
	if language := r.URL.Query().Get("language"); language != "" {
		text, err := os.ReadFile(filepath.Join("greetings", filepath.Base(language)+".txt"))
		if err != nil {
			http.Error(w, "no greeting in that language", http.StatusNotFound)
			return
		}
		greeting = strings.TrimSpace(string(text))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%s, %s\n", greeting, chi.URLParam(r, "name"))
}

func chat(w http.ResponseWriter, r *http.Request) {
	var question struct {
		Message string `json:"message"`
	}
	if json.NewDecoder(r.Body).Decode(&question) != nil || question.Message == "" {
		answer(w, 400, map[string]string{"error": `send {"message": "your words"}`})
		return
	}
	answer(w, 200, map[string]string{"answer": variable("GREETING", "Hello") + "! You said: " + question.Message})
}

func answer(w http.ResponseWriter, status int, said map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(said)
}

func variable(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
