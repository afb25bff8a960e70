package client

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"agentd/internal/api"
	"agentd/internal/errs"
)

// documentType is the media type of a document; JSON is YAML too.
const documentType = "application/yaml"

// query builds the query of a request; what is unset is left out.
type query url.Values

func (q query) set(name, value string) query {
	if value != "" {
		url.Values(q).Set(name, value)
	}
	return q
}

func (q query) number(name string, value int) query {
	if value == 0 {
		return q
	}
	return q.set(name, strconv.Itoa(value))
}

func (q query) flag(name string, value bool) query {
	if !value {
		return q
	}
	return q.set(name, "true")
}

func (q query) owner(uid *uint32) query {
	if uid == nil {
		return q
	}
	return q.set("owner", strconv.FormatUint(uint64(*uid), 10))
}

// fill puts the thing that r is about into its path and query.
func (r *request) fill() error {
	if r.ref == nil {
		return nil
	}
	if strings.Trim(r.ref.Name, ".") == "" {
		// HTTP cleans dots out of a path: it would become another request.
		return errs.New(errs.NotFound, "no %s %q", r.thing(), r.ref.Name)
	}
	r.path = strings.NewReplacer("{ref}", url.PathEscape(r.ref.Name), "{name}", url.PathEscape(r.ref.Name)).Replace(r.path)
	if r.query == nil {
		r.query = url.Values{}
	}
	query(r.query).owner(r.ref.Owner)
	return nil
}

// thing is what the request is about.
func (r *request) thing() string {
	switch {
	case strings.HasPrefix(r.path, api.PathSessions):
		return "session"
	case strings.HasPrefix(r.path, api.PathVFolders):
		return "vfolder"
	}
	return "template"
}

// ifRevision asks that a change be made only if that is still the newest revision; 0 asks for nothing.
func ifRevision(revision int) http.Header {
	if revision == 0 {
		return nil
	}
	return http.Header{"If-Match": {`"` + strconv.Itoa(revision) + `"`}}
}

// revisionOf reads the revision from an answer's ETag; 0 if it has none.
func revisionOf(h http.Header) int {
	n, err := strconv.Atoi(strings.Trim(h.Get("ETag"), `"`))
	if err != nil {
		return 0
	}
	return n
}
