package server

import (
	"encoding/json"
	"fmt"
	"net/http"

	"agentd/internal/api"
)

// routes is the table of all routes.
func (s *Server) routes() (*http.ServeMux, error) {
	mux := http.NewServeMux()
	a := s.newAPI(mux)
	t := s.opt.Templates

	handle(a, route{method: http.MethodPost, path: api.PathTemplates, name: "create-templates", status: 201,
		summary: "Store every template of the documents, or none", documents: true}, t.create)
	handle(a, route{method: http.MethodPut, path: api.PathTemplates, name: "apply-templates",
		summary: "Create the templates whose names are new, update the others", documents: true}, t.apply)
	handle(a, route{method: http.MethodGet, path: api.PathTemplates, name: "list-templates",
		summary: "List templates"}, t.list)
	handle(a, route{method: http.MethodPost, path: api.PathTemplatesValidate, name: "validate-templates",
		summary: "Say everything that is wrong with the documents, and store nothing", documents: true}, t.validate)
	handle(a, route{method: http.MethodGet, path: api.PathTemplatesSchema, name: "get-template-schema",
		summary: "The JSON Schema of the documents"}, t.schema)
	handle(a, route{method: http.MethodGet, path: api.PathTemplate, name: "get-template",
		summary: "What a list shows of one template"}, t.get)
	handle(a, route{method: http.MethodPut, path: api.PathTemplate, name: "update-template",
		summary: "Replace the text by exactly one document; a new revision", documents: true}, t.update)
	handle(a, route{method: http.MethodDelete, path: api.PathTemplate, name: "delete-template",
		summary: "Delete so that it can be restored for a while, or purge"}, t.remove)
	handle(a, route{method: http.MethodGet, path: api.PathTemplateText, name: "get-template-text",
		summary: "The text byte for byte as it was written, literal secrets left out"}, t.text)
	handle(a, route{method: http.MethodGet, path: api.PathTemplateRevisions, name: "list-template-revisions",
		summary: "The history, newest first"}, t.history)
	handle(a, route{method: http.MethodPost, path: api.PathTemplateRollback, name: "rollback-template",
		summary: "Make the text of an older revision the newest"}, t.rollback)
	handle(a, route{method: http.MethodPost, path: api.PathTemplateRestore, name: "restore-template",
		summary: "Undo a deletion"}, t.restore)
	handle(a, route{method: http.MethodPost, path: api.PathTemplateCopy, name: "copy-template", status: 201,
		summary: "A new template with the same text and another name"}, t.copied)
	s.registerHealth(a)
	s.registerSessions(a)
	s.registerVFolders(a)
	s.registerSystem(a)

	openAnswers(a)
	spec, err := json.MarshalIndent(a.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	s.openapi = append(spec, '\n')
	mux.HandleFunc("GET "+api.PathOpenAPI, s.serveOpenAPI)
	mux.HandleFunc("GET "+api.PathMetrics, s.serveMetrics)
	return mux, nil
}

func (s *Server) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(s.openapi); err != nil {
		s.log.DebugContext(r.Context(), "an answer did not reach its client", "error", err)
	}
}
