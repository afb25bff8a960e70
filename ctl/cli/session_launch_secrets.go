package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/template"
)

// maxSecret bounds a file that holds a part of a credential, in bytes.
const maxSecret = 64 << 10

// secrets completes a request with what only the caller has: the parts of the git credential that his template refers
// to, the socket of his SSH agent, his login for the image's registry. The revision that was read is the one launched.
func (a *app) secrets(ctx context.Context, c *client.Client, req *api.LaunchRequest) error {
	text, revision, err := c.Text(ctx, client.Ref{Name: req.Template}, req.Revision, false)
	if err != nil {
		return err
	}
	doc, err := template.ParseOne(req.Template, text)
	if err != nil {
		return errs.New(errs.Internal, "read template %q: %w", req.Template, err)
	}
	req.Revision = revision
	kernel := doc.Template.Spec.Kernel
	if kernel.Git != nil {
		if req.Git, err = a.gitAccess(kernel.Git.Credential); err != nil {
			return err
		}
	}
	image := kernel.Image
	if req.Overrides.Image != "" {
		image = req.Overrides.Image
	}
	req.Registry = a.registryLogin(ctx, registryOf(filledIn(image, doc.Template, req.Overrides.Params)))
	return nil
}

func (a *app) gitAccess(c *template.Credential) (*api.GitAccess, error) {
	access := &api.GitAccess{SSHAuthSock: a.Getenv("SSH_AUTH_SOCK")}
	if c == nil {
		return access, nil
	}
	var err error
	if access.Username, err = a.referred("username", c.Username); err != nil {
		return nil, err
	}
	access.Password, err = a.referred("password", c.Password)
	return access, err
}

// referred is what a reference in the template stands for; empty for a literal, which agentd has.
func (a *app) referred(part, written string) (string, error) {
	ref, ok, err := template.ParseReference(written)
	if err != nil || !ok {
		return "", err
	}
	if ref.Source == template.FromEnv {
		if value := a.Getenv(ref.Name); value != "" {
			return value, nil
		}
		return "", errs.New(errs.Invalid, "the git credential's %s: there is no variable %s here", part, ref.Name).
			WithHint("export %s=...", ref.Name)
	}
	name, err := a.secretFile(part, ref)
	if err != nil {
		return "", err
	}
	f, err := os.Open(name)
	if err != nil {
		return "", errs.New(errs.Invalid, "the git credential's %s: %w", part, fileError(err))
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", errs.New(errs.Invalid, "the git credential's %s: %w", part, fileError(err))
	}
	value := strings.TrimRight(string(text), "\r\n")
	if value == "" || len(text) > maxSecret || strings.ContainsAny(value, "\r\n\x00") {
		return "", errs.New(errs.Invalid, "the git credential's %s: %s does not hold it on one line", part, name)
	}
	return value, nil
}

// secretFile is the file that a reference means.
func (a *app) secretFile(part string, ref template.Reference) (string, error) {
	rest, inHome := strings.CutPrefix(ref.Name, "~/")
	dir := a.Getenv("CREDENTIALS_DIRECTORY")
	switch {
	case ref.Source == template.FromCredential && dir == "":
		return "", errs.New(errs.Invalid, "the git credential's %s: there are no credentials of systemd's here", part).
			WithHint("launch from a unit with LoadCredential=%s, or as: systemd-run -P -p LoadCredential=%s:PATH ctl ...",
				ref.Name, ref.Name)
	case ref.Source == template.FromCredential:
		return filepath.Join(dir, ref.Name), nil
	case inHome:
		return filepath.Join(a.Getenv("HOME"), rest), nil
	}
	return ref.Name, nil
}

// filledIn replaces the parameters in the name of an image.
func filledIn(image string, t template.Template, params map[string]string) string {
	refs := regexp.MustCompile(`\$\{param:([A-Za-z_][A-Za-z0-9_-]*)\}`)
	return refs.ReplaceAllStringFunc(image, func(ref string) string {
		name := refs.FindStringSubmatch(ref)[1]
		if value, ok := params[name]; ok {
			return value
		}
		for _, p := range t.Extension.Params {
			if p.Name == name && p.Default != nil {
				return *p.Default
			}
		}
		return ref
	})
}

// dockerHub is the registry of an image that names none.
const dockerHub = "docker.io"

// registryOf is the host of an image's registry, by docker's rule: the first part is a host if it looks like one.
func registryOf(image string) string {
	host, _, ok := strings.Cut(image, "/")
	switch {
	case !ok || !strings.ContainsAny(host, ".:") && host != "localhost" && strings.ToLower(host) == host:
		return dockerHub
	case host == "index."+dockerHub:
		return dockerHub
	}
	return host
}
