package archtest

import (
	"go/ast"
	"testing"
)

// TestRoutes_ServerAndClientHaveThemAll: a route without a client method is one that ctl cannot use.
func TestRoutes_ServerAndClientHaveThemAll(t *testing.T) {
	noMethod := map[string]string{
		"PathMetrics":         "Prometheus reads it",
		"PathOpenAPI":         "for programs that make clients of it",
		"PathTemplatesSchema": "ctl has the schema built in, so that it works without an agentd",
	}
	served, called := selected(lookup(t, "internal/server"), "api"), selected(lookup(t, "internal/client"), "api")
	paths := constants(lookup(t, "internal/api"), "Path")
	if len(paths) < 10 {
		t.Fatalf("found only the routes %v", paths)
	}
	for _, path := range paths {
		why, exempt := noMethod[path]
		switch {
		case !served[path] && called[path]:
			t.Errorf("package client calls api.%s, which package server does not serve", path)
		case served[path] && !called[path] && !exempt:
			t.Errorf("package server serves api.%s, which has no method in package client", path)
		case called[path] && exempt:
			t.Errorf("api.%s has a method in package client, but is listed as having none: %s", path, why)
		}
	}
}

// selected returns the names that the package uses of another one.
func selected(p *pkg, from string) map[string]bool {
	found := map[string]bool{}
	for _, f := range p.files {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == from {
					found[sel.Sel.Name] = true
				}
			}
			return true
		})
	}
	return found
}
