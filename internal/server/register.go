package server

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/identity"
)

// handler is what a route does, for a caller that is always known.
type handler[I, O any] func(ctx context.Context, caller identity.Caller, in *I) (*O, error)

// route describes a route; its name is the operation id.
type route struct {
	method, path, name, summary string
	// status is that of success; 0 means 200.
	status int
	// documents marks a body of YAML or JSON documents, which goes to the handler as it is.
	documents bool
	// tag groups the operations of the description; templates if it is empty.
	tag string
}

// operation is the route as huma wants it.
func (r route) operation() huma.Operation {
	return huma.Operation{
		OperationID: r.name, Method: r.method, Path: r.path, Summary: r.summary, DefaultStatus: r.status,
		Tags: []string{cmp.Or(r.tag, "templates")},
		// One more than allowed: huma refuses a body that reaches its limit.
		MaxBodyBytes: api.MaxRequestBytes + 1,
		// The deadline is that of [Server.bounded]; huma would leave its own in force while the handler runs.
		BodyReadTimeout: 0,
	}
}

// handle registers a route. Whatever the handler returns as error reaches the client as an [api.Problem].
func handle[I, O any](a huma.API, r route, h handler[I, O]) {
	op := r.operation()
	if r.documents {
		op.SkipValidateBody = true
		op.RequestBody = &huma.RequestBody{
			Description: "every document shape of the template format: YAML, several documents, or JSON",
			Content:     map[string]*huma.MediaType{"application/json": {}},
		}
	}
	huma.Register(a, op, func(ctx context.Context, in *I) (*O, error) {
		caller, ok := identity.From(ctx)
		if !ok {
			return nil, failure{errs.New(errs.Forbidden, "who calls is not known")}
		}
		n := noteOf(ctx)
		out, err := h(ctx, caller, in)
		if err != nil {
			return nil, failure{classify(ctx, err)}
		}
		n.answered(out)
		return out, nil
	})
	if r.documents {
		// No body at all is the parser's to refuse: it names the file and says what a template is.
		op.RequestBody.Required = false
	}
}

// newAPI is huma on mux, without its pages, links and error model.
func (s *Server) newAPI(mux *http.ServeMux) huma.API {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[api.Problem]())
	a := humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "agentd", Version: "1",
				Description: "The API of agentd on its Unix socket. Who calls is what the kernel says (SO_PEERCRED). " +
					"Every failure is an RFC 9457 problem; its code is stable: " + codes() + ".",
			},
			Servers:    []*huma.Server{{URL: "http://" + api.Host, Description: "on the Unix socket"}},
			Components: &huma.Components{Schemas: registry},
		},
		Formats: map[string]huma.Format{
			"application/json": huma.DefaultJSONFormat,
			"json":             huma.DefaultJSONFormat,
		},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{s.problems},
	})
	a.UseMiddleware(withAnswer)
	return a
}

// schemaName keeps errs.Problem apart from api.Problem.
func schemaName(t reflect.Type, hint string) string {
	if t == reflect.TypeFor[errs.Problem]() || t == reflect.TypeFor[[]errs.Problem]() {
		return "DocumentProblem"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// openAnswers lets answers grow new fields: only what clients send is closed against unknown keys.
func openAnswers(a huma.API) {
	for name, schema := range a.OpenAPI().Components.Schemas.Map() {
		if !strings.HasSuffix(name, "Request") && !slices.Contains(partsOfRequests(), name) {
			schema.AdditionalProperties = nil
		}
	}
}

// partsOfRequests are the schemas that stand in a request only.
func partsOfRequests() []string { return []string{"GitAccess", "Overrides", "RegistryLogin"} }

func codes() string {
	var names []string
	for _, row := range api.Codes() {
		if row.Status != 0 {
			names = append(names, string(row.Code))
		}
	}
	return strings.Join(names, ", ")
}
