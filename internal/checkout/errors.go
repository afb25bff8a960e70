package checkout

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// explain makes the error that a person sees: which repository, which step, why, and what to do.
func (j *job) explain(ctx context.Context, s source, step string, err error) error {
	if st, ok := errors.AsType[*stepError](err); ok {
		step, err = st.step, st.err
	}
	prefix := "git: " + scrub(s.name) + ": " + step
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, errStalled) {
		err = cause
	}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		if strings.HasPrefix(e.Error(), "git: ") {
			return e
		}
		told := errs.New(e.Code, "%s: %s", prefix, e.Error())
		told.Hint = e.Hint
		return told
	}
	e := j.classify(s, prefix, err)
	if s.login != nil && s.login.Password != "" {
		// A server may send back what it was sent.
		e.Message = strings.ReplaceAll(e.Message, s.login.Password, "***")
	}
	return e
}

func (j *job) classify(s source, prefix string, err error) *errs.Error {
	if e := j.classifyServer(s, prefix, err); e != nil {
		return e
	}
	say := func(code errs.Code, hint string) *errs.Error {
		// Not %w: the texts of these causes come from outside, and are made fit for one line first.
		e := errs.New(code, "%s: %s", prefix, clean(plain(err), 300))
		e.Hint = hint
		return e
	}
	switch {
	case errors.Is(err, errStalled):
		return say(errs.Timeout, "try again later; check the network between this machine and the host")
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded):
		return say(errs.Timeout, "fetch less (x-agentd.git.depth), or raise git.timeout in the configuration")
	case errors.Is(err, context.Canceled):
		return say(errs.Canceled, "")
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return say(errs.NoSpace, "make room on the disk or raise the quota")
	case errors.Is(err, unix.EFBIG):
		return say(errs.TooLarge, "fetch less (x-agentd.git.depth)")
	case errors.Is(err, fs.ErrPermission):
		return say(errs.Forbidden, "the caller must be able to write there")
	case errors.Is(err, fs.ErrNotExist):
		return say(errs.NotFound, "")
	}
	return say(errs.Internal, "")
}

// classifyServer knows the failures of the other side.
func (j *job) classifyServer(s source, prefix string, err error) *errs.Error {
	say := func(code errs.Code, text, hint string) *errs.Error {
		e := errs.New(code, "%s: %s", prefix, clean(text, 300))
		e.Hint = hint
		return e
	}
	var (
		dns  *net.DNSError
		cert *x509.UnknownAuthorityError
		host x509.HostnameError
		line *pktline.ErrorLine
		op   *net.OpError
	)
	switch {
	case strings.Contains(err.Error(), "http redirect:"):
		return say(errs.Forbidden, "the host redirects to where agentd does not follow: "+plain(err),
			"give the URL that it redirects to")
	case errors.Is(err, transport.ErrAuthenticationRequired) && s.login == nil:
		return say(errs.Forbidden, "the host wants a login", "give a credential in spec.kernel.git.credential")
	case errors.Is(err, transport.ErrAuthenticationRequired),
		errors.Is(err, transport.ErrAuthorizationFailed) && s.login != nil:
		return say(errs.Forbidden, "the host refuses the login of "+s.login.Username,
			"check spec.kernel.git.credential, and what it may read")
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return say(errs.Forbidden, "the host forbids it", "give a credential in spec.kernel.git.credential")
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return say(errs.NotFound, "no such repository, or none that this login may see",
			"check the URL; a private repository needs a credential")
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return say(errs.NotFound, "the repository is empty", "push a first commit to it")
	case errors.As(err, &dns):
		return say(errs.Unavailable, "no address for the host "+dns.Name, "check the URL and the name service of this machine")
	case errors.As(err, &cert), errors.As(err, &host):
		return say(errs.Unavailable, plain(err), "check the URL; make the certificate's authority known to this machine")
	case errors.As(err, &line):
		return say(errs.Unavailable, "the host says: "+line.Text, "")
	case broken(err):
		return say(errs.Unavailable, "what the host sent is broken: "+plain(err),
			"try again; if it stays, the repository needs git fsck")
	case errors.Is(err, unix.ECONNREFUSED), errors.As(err, &op), errors.Is(err, unix.ECONNRESET):
		return say(errs.Unavailable, plain(err), "check the URL, and that the host can be reached from this machine")
	}
	if u, ok := errors.AsType[*url.Error](err); ok && !errors.Is(err, context.Canceled) && !u.Timeout() {
		return say(errs.Unavailable, plain(u.Err), "check the URL, and that the host can be reached from this machine")
	}
	if strings.Contains(err.Error(), "status code: ") {
		_, status, _ := strings.Cut(err.Error(), "status code: ")
		return say(errs.Unavailable, "the host answers with HTTP status "+status, "try again later")
	}
	return nil
}

// errBroken marks what a well-behaved host never sends.
var errBroken = errors.New("broken data")

func broken(err error) bool {
	for _, known := range []error{
		errBroken, errCache, packfile.ErrMalformedPackFile, packfile.ErrBadSignature, packfile.ErrEmptyPackfile,
		packfile.ErrUnsupportedVersion, packfile.ErrInflatedSizeMismatch, packfile.ErrInvalidDelta, packfile.ErrDeltaCmd,
		packfile.ErrLengthOverflow, pktline.ErrInvalidPktLen, io.ErrUnexpectedEOF, io.EOF,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	// go-git gives these as text only.
	for _, known := range []string{"zlib", "flate:", "decoding upload-pack", "pkt-line", "malformed"} {
		if strings.Contains(err.Error(), known) {
			return true
		}
	}
	return false
}

// plain is err's text without the parts that repeat a URL.
func plain(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return plain(u.Err)
	}
	return err.Error()
}

// clean makes text from outside fit for one line of at most limit bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimSpace(text))
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "..."
	}
	return text
}
