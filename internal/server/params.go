package server

import (
	"strconv"
	"strings"

	"agentd/internal/errs"
)

// OwnerParam is whose templates a request means. It and the others here are exported because huma finds no parameters
// in an embedded struct that is not.
type OwnerParam struct {
	Owner string `query:"owner" pattern:"^[0-9]{1,10}$" doc:"uid of the owner, the caller by default"`
}

func (p OwnerParam) uid() (*uint32, error) {
	if p.Owner == "" {
		return nil, nil //nolint:nilnil // no owner is the caller himself
	}
	n, err := strconv.ParseUint(p.Owner, 10, 32)
	if err != nil {
		return nil, errs.New(errs.Invalid, "owner=%s is not a uid", p.Owner)
	}
	uid := uint32(n)
	return &uid, nil
}

// RefParam names one template.
type RefParam struct {
	OwnerParam
	Ref string `path:"ref" maxLength:"256" doc:"exact id, exact name, or unique prefix of an id, tried in that order"`
}

// FileParam is where documents come from.
type FileParam struct {
	File string `query:"file" maxLength:"4096" doc:"the author's name of the document, shown back in problems"`
}

// IfMatchParam is the condition of a change.
type IfMatchParam struct {
	IfMatch string `header:"If-Match" doc:"ETag of the revision that was changed; 412 if it is not the newest"`
}

// revision is 0 if there is no condition. "*" asks only that the template exists, which every change does.
func (p IfMatchParam) revision() (int, error) {
	if p.IfMatch == "" || p.IfMatch == "*" {
		return 0, nil
	}
	inner, ok := strings.CutPrefix(p.IfMatch, `"`)
	inner, ok2 := strings.CutSuffix(inner, `"`)
	n, err := strconv.Atoi(inner)
	if !ok || !ok2 || err != nil || n < 1 {
		return 0, errs.New(errs.Invalid, "If-Match: %s is not an ETag of agentd", p.IfMatch).
			WithHint(`send the ETag that came with the template, such as "3" with its quotes`)
	}
	return n, nil
}

// etag is the ETag of a revision.
func etag(revision int) string { return strconv.Quote(strconv.Itoa(revision)) }
