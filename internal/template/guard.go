package template

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"agentd/internal/errs"
)

// Bounds of the shape of a source and of one document. A template of any use has a few hundred nodes, ten levels deep.
const (
	maxDocuments = 1000

	maxDepth   = 64
	maxNodes   = 20_000
	maxAliases = 256
)

// tooLarge refuses a source that is over [MaxRequestBytes].
func tooLarge(src []byte) error {
	if len(src) <= MaxRequestBytes {
		return nil
	}
	return errs.New(errs.TooLarge, "the templates are %d bytes together; at most %d are read", len(src), MaxRequestBytes).
		WithHint("send them in several requests")
}

// documentTooLarge refuses a document that is over [MaxDocumentBytes].
func (r *reader) documentTooLarge(start, end int) error {
	return errs.New(errs.TooLarge, "the document at line %d is %d bytes; at most %d are read",
		r.line(start), end-start, MaxDocumentBytes).
		WithHint("keep data out of templates: mount it, or clone it")
}

// tooMany notes that there are more than [maxDocuments].
func (r *reader) tooMany(off int) {
	r.problem(off, "", "too-many-documents", "more than %d documents", maxDocuments)
}

// encoding notes what is not UTF-8 text; the rest of such a source is not worth reading.
func (r *reader) encoding() {
	text := r.text
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(text, []byte(mark)) {
			r.problem(0, "", "encoding", "the text is UTF-16: save it as UTF-8")
			return
		}
	}
	if !utf8.Valid(text) {
		off := 0
		for off < len(text) {
			c, size := utf8.DecodeRune(text[off:])
			if c == utf8.RuneError && size == 1 {
				break
			}
			off += size
		}
		r.problem(off, "", "encoding", "the byte 0x%02x is not UTF-8", text[off])
		return
	}
	if off := bytes.IndexFunc(text, isForbidden); off >= 0 {
		c, _ := utf8.DecodeRune(text[off:])
		r.problem(off, "", "encoding", "the control character %U cannot stand in a template", c)
	}
}

// isForbidden reports control characters that are neither white space nor a line break.
func isForbidden(c rune) bool {
	return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f || c > 0x7f && c < 0xa0 && c != 0x85
}

// isControl reports characters that no name or path may have.
func isControl(c rune) bool { return unicode.IsControl(c) }
